"""Links by which objects of a bucket can be fetched, signed as the client would sign them."""

from typing import Any
from urllib.parse import quote

from botocore.awsrequest import AWSRequest

LINK_SECONDS = 3600
SIGNING = "before-sign.s3.GetObject"


class Links:
    """Makes links by the client's own signer, to where the client finds the bucket.

    The client would look it up again for each link, which takes as long as signing it.

    Args:
        s3: a client.
        bucket: the bucket.

    Raises:
        botocore.exceptions.BotoCoreError: the client can't sign.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        signed: list[tuple[Any, dict[str, Any]]] = []

        def note(request: AWSRequest, request_signer: Any, **_: Any) -> None:
            # With it, for instance, which region signs for a bucket that is named by its ARN.
            signed.append((request_signer, dict(request.context)))

        s3.meta.events.register(SIGNING, note)
        try:
            link = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "x"}, LINK_SECONDS)
        finally:
            s3.meta.events.unregister(SIGNING, note)
        ((self._signer, self._context),) = signed
        # Where the bucket is.
        self.root = link.partition("?")[0].removesuffix("x")

    def to(self, key: str) -> str:
        """Return a link to an object, good for an hour.

        Args:
            key: the object's.

        Raises:
            botocore.exceptions.BotoCoreError: the credentials are no longer to be had.
        """
        request = AWSRequest("GET", self.root + quote(key, safe="/~"))
        request.context = dict(self._context)
        self._signer.sign("GetObject", request, signing_type="presign-url", expires_in=LINK_SECONDS)
        return str(request.url)
