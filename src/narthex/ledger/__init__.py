"""Who pays: what every attempt consumed, at which price, and what may be spent.

money        amounts of money, exact
prices       what models cost, from which moment on
entries      one for each attempt at a call, written once
journal      what is not in the database yet, in a file that outlives the process
book         takes calls in as they begin and end, and writes them down behind their backs
unfit        what no database takes, set aside
rows         the entries in the database, and their sums
periods      hours, days, weeks and months of the calendar
dimensions   by what usage can be told apart
words        the names of these
usage        sums of the ledger by any of it, exact
forecasting  what a period will have cost, an estimate
listing      the entries themselves, page by page
exporting    all of it for other programs
formats      CSV, JSON, JSON lines and Parquet
focus        costs in the format of FOCUS
verifying    whether all of it is right
price_book   versions of prices, added and never changed
"""
