"""Requests for objects of a bucket, signed as the client would sign them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from botocore.awsrequest import AWSRequest

BEFORE_SIGNING = "before-sign.s3.GetObject"


class Signing:
    """Signs requests by the client's own signer, for where the client finds the bucket.

    The client would look it up again for each request, which takes as long as signing it.

    Args:
        s3: a client.
        bucket: the bucket.

    Raises:
        botocore.exceptions.BotoCoreError: the client finds no such place.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        s3.meta.events.register(BEFORE_SIGNING, _stop)
        try:
            s3.get_object(Bucket=bucket, Key="x")
        except _StoppedError as stopped:
            self._signer, self._context = stopped.signer, stopped.context
            # Where the bucket is.
            self.root = stopped.url.removesuffix("x")
        finally:
            s3.meta.events.unregister(BEFORE_SIGNING, _stop)

    def request(self, key: str, headers: Mapping[str, str]) -> AWSRequest:
        """Return a signed request for an object.

        Args:
            key: the object's.
            headers: what the request says besides.

        Raises:
            botocore.exceptions.BotoCoreError: there are no credentials, or no longer.
        """
        request = AWSRequest("GET", self.root + quote(key, safe="/~"), headers)
        request.context = dict(self._context)
        self._signer.sign("GetObject", request)
        return request


class _StoppedError(Exception):
    """The client was about to sign a request, which is not sent."""

    def __init__(self, signer: Any, request: AWSRequest) -> None:
        super().__init__()
        self.signer, self.url = signer, request.url
        # With it, for instance, which region signs for a bucket that is named by its ARN.
        self.context = dict(request.context)


def _stop(request: AWSRequest, request_signer: Any, **_: Any) -> None:
    raise _StoppedError(request_signer, request)
