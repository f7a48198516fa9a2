"""Sealmatch: face verification in which no server sees a face.

A carrier must check, before it activates a SIM, that the person at the counter is the person on
the identity document. Here a bit comes out, with a proof that anyone may verify, and nothing
biometric stays behind. It is 1:1 verification: no gallery, no search.

Who runs where, and who holds which key

    issuer     ID reader at the counter   signs templates; deals   sees the portrait, for seconds;
                                          r for each session       knows r, for a moment
    client     the shop's device          signs submissions        sees the live face, for seconds
    gateway    the carrier                signs statements; opens  sees ciphertexts, and its
                                          templates, probes and    half of r
                                          its dealing
    authority  another operator (keys/)   one HE secret key per    sees uniform values and its
                                          session; opens its       half of r; decides one bit
                                          dealing; signs decisions
    witness    a third operator           cosigns the log's trees  sees their sizes and roots
    auditor    a third operator           signs reports            sees ciphertexts, gateway's
                                                                   dealings and seeds of some
                                                                   sessions
    agent      who works at the counter   signs registrations      sees the document
    supervisor somebody else              without a face; both     sees what the agent asserts
                                          must
    verifier   anyone                     pins public keys         sees a receipt

Order of messages

    client    --session request-->       gateway   --session key request-->  authority
    client    <--offer, challenge--      gateway   <--signed grant, b------  authority
    (the person does what the challenge asks; frames stay on the device)
    issuer    --sealed template, sealed dealings, assertion--> client
              (both verify the grant and expand the key's other half, a, before encrypting)
    client    --submission, transcript-> gateway   --attempt, dealing----->  authority
                                         gateway   <--signed nonce---------  authority
                                         gateway   --padded product------->  authority
                                         gateway   <--masked values--------  authority
                                         gateway   --values and shares---->  authority
    client    <--outcome, receipt--      gateway   <--signed decision------  authority

    Before some decisions the authority demands an audit:
                                         gateway   <--signed demand--------  authority
    auditor   <--inputs, sealed secret-- gateway
    auditor   --signed report------->    gateway   --report--------------->  authority

    Where no face is checked, nobody but these speaks:
    client     --agent's assertion, supervisor's approval--> gateway
    client     <--receipt, which is no match--               gateway

Where things are

    wire        messages: everything that crosses a trust boundary; imports nothing of ours
    host        what a process of ours stands on: keys at rest, settings, serving, TLS, clock
    he          public-key operations: nothing here decrypts
    documents   kinds of identity documents, their numbers, zones and chips, and mobile documents
    vision      image -> unit embedding; imports nothing of ours
    translog    formats and rules of the transparency log
    proofs      statements, receipts, offline verification
    store       what the gateway keeps; the tables are in store/schema.py
    sequencing  how the log grows, is published and read
    calibration from an evaluation to a match policy: what was measured, what follows
    retention   what expires and when, and its removal: schedule, reaper, erasure, legal holds
    issuer      portrait -> signed, sealed template and dealings
    client      the counter: a registration, from a capture to a checked receipt
    kiosk       the counter in a browser: the page is the client, this process reads documents
    server      the gateway's service: sessions, numbered verification steps, evaluation
    auditor     repeats evaluations, deployed apart
    witness     the log's witness, deployed apart
    inspection  what operators and regulators hold against a deployment
    console     pages on which both see what is kept, without changing anything
    cli         users' commands; main finds the one that is chosen
    lab         attacks, leak search, measurements, demo, local deployment: it serves nobody
    ../keys     the key authority, deployed apart; keys/authority.py alone touches a secret key

Each server has app, cli, config, custody and service. Who may import whom stands in pyproject.toml
(import-linter): layers from lab and cli down to wire, and for each package those who use it. The
authority imports wire, host and he; the auditor the same; a witness wire, host and translog.
"""
