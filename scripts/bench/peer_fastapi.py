"""A FastAPI application as its documentation shows it, at the port given as argument.

{"rows": [[number]]} to {"probabilities": [[number]]}.
"""

import sys

import torch
import uvicorn
from fastapi import FastAPI
from peer_network import network
from pydantic import BaseModel


class Rows(BaseModel):
    rows: list[list[float]]


app, model = FastAPI(), network()


@app.post("/predict")
def predict(given: Rows):
    with torch.no_grad():
        output = model(torch.tensor(given.rows, dtype=torch.float32))
    return {"probabilities": output.tolist()}


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
