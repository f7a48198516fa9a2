"""The counter in a browser: the local process that serves the counter's page and reads documents.

Two parties stand at a counter, and here they stay two. The page is the *client*: camera, liveness,
embedding, encryption, signature and receipt check happen in the browser, under the browser's own
device key. This process is the *issuer*: it reads the document and seals the template. No picture
crosses between them in either direction: the page never gets the portrait, the process never a live
face. Whoever serves the page could take faces, so it comes with the client, never from a gateway.

release    the page's files, pinned by ``release.json``; only what is pinned is served
access     who may ask: this machine, this page, the tab that opened the printed address
public     ``GET /kiosk.json``: everything public that the page needs
forwarder  ``/gateway/...``: the page's signed requests, byte for byte
reader     the document that lies at the reader: a picture in a folder
desk       the issuer's side: one document at a time, and the templates made of it
pending    what the page keeps of submissions whose receipts are late, sealed
messages   what page and issuer exchange
app        all of it over HTTP, on loopback

``gateway.cli.kiosk`` starts it. The page's sources are in ``page``; ``make page`` builds them into
``assets``, which the wheel carries.
"""
