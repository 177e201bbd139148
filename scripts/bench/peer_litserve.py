"""A LitServe server as its documentation shows it, at the port given as argument.

{"rows": [[number]]} to {"probabilities": [[number]]}.
"""

import sys

import litserve
import torch
from peer_network import network


class Api(litserve.LitAPI):
    def setup(self, device):
        self.model = network()

    def decode_request(self, request):
        return torch.tensor(request["rows"], dtype=torch.float32)

    def predict(self, x):
        with torch.no_grad():
            return self.model(x)

    def encode_response(self, output):
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
