"""What the Makefile's verbs do beyond one command.

    environment  make the virtual environment
    missing      remember what this machine lacks, and say so at the end
    debian       install Debian packages where that is possible
    node         find Node.js and run npm in a folder
    dashboard    build the dashboard when its sources changed
    weights      fetch the embedded models once
    budgets      hold modules, classes and functions to their sizes
    reference    write the generated pages of the documentation

Everything but `budgets` and `reference` uses the standard library only: it runs before anything is installed.
"""
