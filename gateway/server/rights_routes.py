"""Subjects' requests and proofs of erasure over HTTP.

    POST /face-verification/v0.1/subject-requests          SignedSubjectRequest -> SubjectAnswer
    GET  /face-verification/v0.1/erasures/{tombstone}      ErasureProof

A device signs a subject's request. Devices and enrolled readers ask for a proof of erasure. Who
asks must know the tombstone, which follows from the statement, so only a holder of the receipt can
ask; what is not there is answered as an unknown path. Bodies are deterministic CBOR.
"""

import re
from typing import Annotated, Final

from fastapi import FastAPI, Path
from starlette.requests import Request
from starlette.responses import Response

from gateway.host.http import cbor_response, problem_response, work_on
from gateway.host.signed import SignedRequests
from gateway.server.openapi import BASE, GET_ERASURE, SUBJECT_REQUEST
from gateway.server.rights import SubjectRights
from gateway.wire.errors import NOT_FOUND
from gateway.wire.ids import Digest
from gateway.wire.rights import SignedSubjectRequest

_TOMBSTONE: Final = re.compile(r"[0-9a-f]{64}")

TombstoneInPath = Annotated[
    str,
    Path(
        alias="tombstone",
        description="SHA-256 over a label and the signed statement of the receipt.",
        json_schema_extra={"pattern": f"^{_TOMBSTONE.pattern}$", "maxLength": 64},
    ),
]


def add_rights_routes(
    app: FastAPI, rights: SubjectRights, devices: SignedRequests, holders: SignedRequests
) -> None:
    """Add the routes.

    Args:
        devices: who may send a subject's request.
        holders: who may ask for a proof of erasure.
    """

    @app.post(f"{BASE}/subject-requests", **SUBJECT_REQUEST.route)
    async def subject_request(request: Request) -> Response:
        return await devices.answer(
            request,
            SignedSubjectRequest,
            lambda asked, sender: rights.answer(asked, sender).encode(),
        )

    @app.get(f"{BASE}/erasures/{{tombstone}}", **GET_ERASURE.route)
    async def erasure(request: Request, tombstone: TombstoneInPath) -> Response:
        def work() -> bytes | None:
            holders.sender(request)
            if not _TOMBSTONE.fullmatch(tombstone):
                return None
            found = rights.erasure(Digest(bytes.fromhex(tombstone)))
            return None if found is None else found.encode()

        content = await work_on(request, "erasure", work)
        return problem_response(NOT_FOUND) if content is None else cbor_response(content)
