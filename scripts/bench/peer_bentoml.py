"""A BentoML service as its documentation shows it: `bentoml serve peer_bentoml:Service`.

{"rows": [[number]]} to {"probabilities": [[number]]}.
"""

import bentoml


@bentoml.service(workers=1)
class Service:
    def __init__(self) -> None:
        from peer_network import network

        self.model = network()

    @bentoml.api
    async def predict(self, rows: list[list[float]]) -> dict:
        import torch

        with torch.no_grad():
            return {"probabilities": self.model(torch.tensor(rows)).tolist()}
