"""Single sign-on with OpenID Connect.

https://openid.net/specs/openid-connect-core-1_0.html

provider    what a provider says of itself, its keys, and the exchange of a code for tokens
id_tokens   whether an ID token is genuine, meant for us, and of this sign-in
identity    who it is that a token vouches for
membership  what their groups may do here
flow        the way from our page to theirs and back
"""
