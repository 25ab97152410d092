"""The command line: one file per command, each loaded only when it is called.

serve, run, models, stream, workspace, key, user, explain, config, usage, price, ledger, cache, db, doctor, mock,
faults, version, completion
             the commands
group        finds them, and turns errors into one line and an exit code
exits        the exit codes
opened       the accounts, beside a running server or without one
rows         records on the terminal
door         the one way from here to a server, near or in this process
terminal     what is printed, and how
starter      the first configuration file
logs         the server's log on standard error
health       what `doctor` looks at
"""

from __future__ import annotations

from narthex.cli.group import Commands

_HELP = """
One server between applications and every AI model.

\b
Begin with:
  narthex serve                          start the server
  narthex run "Name three colours."      ask a model
  narthex doctor                         see what is wrong, and how to mend it

\b
Exit codes:
  0    done
  1    it failed, and the message says why
  2    the command was not understood
  69   a server, a provider or a port is not available
  70   a fault inside Narthex
  78   the configuration cannot be used
  130  interrupted
  141  whoever read the output went away
"""

COMMANDS = {
    "serve": "Start the server.",
    "run": "Ask a model; the answer streams to the terminal.",
    "models": "List the models, or install the embedded ones.",
    "stream": "See, replay, pause and record streamed answers.",
    "workspace": "Make and change workspaces, and say who is in them.",
    "key": "Make, rotate and revoke virtual keys.",
    "limit": "Limit what organisations, workspaces, members, keys, models, tags and end users may use.",
    "user": "Make and change people and service accounts.",
    "explain": "Tell where a call would go, and why.",
    "config": "Check, show and start the configuration.",
    "usage": "Who used what, on which model, when, and what it cost.",
    "price": "See and add versions of prices, in US dollars for a million tokens.",
    "ledger": "See the entries of the ledger, write them into files, and check that all of it is right.",
    "cache": "See how the cache does, empty and fill it, and compare policies of eviction.",
    "db": "See, bring up, back up, restore and check the database.",
    "audit": "Read and check the audit log.",
    "privacy": "Hand out what is kept of a person, and erase it.",
    "secrets": "See and change the master key, under which secrets are sealed.",
    "doctor": "Say what is wrong with this set-up, and how to mend it.",
    "mock": "Serve a provider that misbehaves on demand.",
    "faults": "Run every fault against a gateway, and print a scorecard.",
    "version": "Print the version.",
    "completion": "Print a script that completes commands in a shell.",
}
"""Every command and its one line in the list, which is shown without loading them."""

main = Commands(
    name="narthex",
    help=_HELP,
    package=__name__,
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
"""The program."""
