"""The console: pages that operator and regulator look at, and nothing that anybody can do there.

It reads the gateway's database as an inspection does (``store.reading``), changes no byte of it,
and has no key of the gateway. No page shows a record, a handle, a statement or a number of a
document, and no count from which a small one follows (``rounding``).

config     settings
people     who may look: one sealed credential to a person
access     sessions, and how often a passphrase may be guessed
rounding   which counts are shown, and how
figures    what is read from the database, rounded at once
flows      outcomes of finished days
signed     what is signed: the reaper's last run, the log's head, against pinned keys
visit      the last inspection, from its bundle
watch      figures and visit, read now and then
notices    what needs attention, in plain words
language   texts in English, Chinese and Spanish; numbers and dates
pages      HTML
app        HTTP
cli        commands
"""
