"""A bundle in MLServer: a runtime of its own, behind the Open Inference Protocol (`/v2/models/alert/infer`).

Started as a module, it is `mlserver start` for one model that environment variables describe, and nothing else.
"""

import asyncio

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.errors import InferenceError
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse

from mlelab.serving import bundle


class BundleRuntime(MLModel):
    """Columns come in as named tensors of shape [n, 1], the chances go out as one tensor `p` of shape [n, 1]."""

    async def load(self) -> bool:
        self._bundle = bundle.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = self.decode_request(payload, default_codec=PandasCodec)
        instances = rows.astype(object).where(rows.notna(), None).to_dict("records")
        if problems := self._bundle.problems(instances):
            raise InferenceError(" ".join(problems[:5]))
        chances = self._bundle.score(instances)
        return InferenceResponse(model_name=self.name, model_version=self._bundle.version,
                                 outputs=[NumpyCodec.encode_output("p", chances.reshape(-1, 1), use_bytes=False)])


async def main() -> None:
    server = MLServer(Settings())
    await server.start([ModelSettings(parameters=ModelParameters())])


if __name__ == "__main__":
    asyncio.run(main())
