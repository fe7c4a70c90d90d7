"""gRPC on loopback: bytes in, the dispatcher, bytes out."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from .backend import Backend
from .catalog import Method, catalogue
from .errors import CloudError, invalid

MAX_MESSAGE = 32 * 2**20
THREADS = 64


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        try:
            self._backend.identity.check(dict(details.invocation_metadata).get("authorization", ""))
        except CloudError as error:  # a handler of streams, because that one does not read the message first
            return grpc.stream_unary_rpc_method_handler(self._refused(error))
        method = catalogue().get(details.method)
        if method is None:
            return grpc.unary_unary_rpc_method_handler(self._unknown(details.method))
        if method.kind == "unary_unary":
            return grpc.unary_unary_rpc_method_handler(self._answer(method, self._one))
        if method.kind == "unary_stream":
            return grpc.unary_stream_rpc_method_handler(self._answer(method, self._many))
        return grpc.stream_stream_rpc_method_handler(self._unknown(details.method))

    def _unknown(self, path: str) -> Callable[[Any, grpc.ServicerContext], bytes]:
        return self._refused(CloudError("UNIMPLEMENTED", f"{path[1:]} is not implemented by this local stand-in."))

    def _refused(self, error: CloudError) -> Callable[[Any, grpc.ServicerContext], bytes]:
        def behaviour(_: Any, context: grpc.ServicerContext) -> bytes:
            context.abort(error.grpc_code, error.message)

        return behaviour

    def _answer(self, method: Method, answer: Callable[[Method, bytes], Any]) -> Callable[..., Any]:
        def behaviour(data: bytes, context: grpc.ServicerContext) -> Any:
            try:
                return answer(method, data)
            except CloudError as error:
                context.abort(error.grpc_code, error.message)

        def stream(data: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            try:
                yield from behaviour(data, context)
            except CloudError as error:
                context.abort(error.grpc_code, error.message)

        return stream if method.kind == "unary_stream" else behaviour

    def _parse(self, method: Method, data: bytes) -> Any:
        try:
            return method.request.FromString(data)
        except DecodeError:
            raise invalid(f"The request is not a {method.request.DESCRIPTOR.full_name}.") from None

    def _one(self, method: Method, data: bytes) -> bytes:
        return self._backend.dispatch(method, self._parse(method, data), {}).SerializeToString()

    def _many(self, method: Method, data: bytes) -> Iterator[bytes]:
        for message in self._backend.dispatch(method, self._parse(method, data), {}):
            yield message.SerializeToString()


class GrpcServer:
    """A TLS server on 127.0.0.1. It answers at once."""

    def __init__(self, backend: Backend, key: bytes, certificate: bytes) -> None:
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="grpc"),
            handlers=(_Handler(backend),),
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ],
        )
        self.port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
        self._server.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.stop(0).wait(5)
