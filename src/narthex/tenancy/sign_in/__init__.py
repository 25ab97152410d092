"""Signing in at the dashboard: who somebody is, and that they are it.

passwords        Argon2id, off the event loop, and what a password must be
second_factors   one-time codes of an authenticator, and recovery codes
throttling       pauses after failures, for one user and one address
tries            these failures, as rows
tickets          what is signed and short-lived: between two steps of signing in
credentials      what users sign in with, as rows
sessions         who is signed in: tokens, of which only hashes are kept
desk             does it all: the one place that lets somebody in
welcome          takes invitations
single_sign_on   OpenID Connect
"""
