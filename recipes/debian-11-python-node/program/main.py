"""A FastAPI program."""
import os
import sys

from fastapi import FastAPI

app = FastAPI()


@app.get("/{path:path}")
def answer(path: str):
    return {"path": "/" + path, "python": sys.version.split()[0], "greeting": os.environ.get("GREETING")}
