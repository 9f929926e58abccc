"""Checks of the structure of an untrusted ONNX file before it is run.

ONNX files are protocol buffers. The few relevant fields are parsed here, because ONNX Runtime does
not need the library ``onnx``. Field numbers: github.com/onnx/onnx, onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_NODES = 50_000
DOMAINS = ("", "ai.onnx", "com.microsoft")  # ONNX Runtime's own operators quantize
MODEL_GRAPH, MODEL_FUNCTIONS = 7, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE_INITIALIZER = 1, 5, 15
NODE_ATTRIBUTE, NODE_OPERATOR, NODE_DOMAIN = 5, 4, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPHS = 5, (6, 11)
TENSOR_EXTERNAL, TENSOR_LOCATION = 13, 14  # the quantizer writes the location 0: in the file


def check_structure(content: bytes) -> None:
    """Accept a graph with a bounded number of steps that reads no other file.

    Raises:
        ValueError: loops, branches or functions, unknown operators, or data outside the file.
    """
    nodes = 0
    for number, part in read_fields(memoryview(content)):
        if number == MODEL_FUNCTIONS:
            raise ValueError("it defines functions, which no exported network has")
        for kind, inner in read_fields(part) if number == MODEL_GRAPH else ():
            nodes += kind == GRAPH_NODE
            if nodes > MAX_NODES:
                raise ValueError(f"it has more than {MAX_NODES:,} nodes")
            _check_part(kind, inner)


def _check_part(kind: int, part: memoryview) -> None:
    if kind == GRAPH_SPARSE_INITIALIZER:
        raise ValueError("it has sparse tensors, which no exported network has")
    if kind == GRAPH_INITIALIZER:
        _check_tensor(part)
    if kind == GRAPH_NODE:
        _check_node(part)


def _check_node(node: memoryview) -> None:
    fields = list(read_fields(node))
    texts = {
        number: bytes(part).decode("utf-8", "replace")
        for number, part in fields
        if number in (NODE_OPERATOR, NODE_DOMAIN)
    }
    if texts.get(NODE_DOMAIN, "") not in DOMAINS:
        raise ValueError("it has operators that are not ONNX Runtime's own")
    for attribute in (part for number, part in fields if number == NODE_ATTRIBUTE):
        for number, part in read_fields(attribute):
            if number in ATTRIBUTE_GRAPHS:
                name = texts.get(NODE_OPERATOR, "")[:20]
                raise ValueError(f"it has loops or branches ({name!r}), which no exported one has")
            if number == ATTRIBUTE_TENSOR:
                _check_tensor(part)


def _check_tensor(tensor: memoryview) -> None:
    fields = list(read_fields(tensor))
    elsewhere = any(n == TENSOR_LOCATION and bytes(part) != b"\0" for n, part in fields)
    if elsewhere or any(number == TENSOR_EXTERNAL for number, _ in fields):
        raise ValueError("it keeps tensors in other files, which are not read")


def read_fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and the bytes of each field of a protocol buffer.

    Raises:
        ValueError: the message is truncated, or no protocol buffer.
    """
    position, end = 0, len(message)
    while position < end:
        tag, position = _read_varint(message, position)
        wire = tag & 7
        if wire == 2:
            length, position = _read_varint(message, position)
        elif wire == 0:
            start = position
            _, position = _read_varint(message, start)
            position, length = start, position - start
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError("it is no protocol buffer")
        if length > end - position:
            raise ValueError("it is cut off")
        yield tag >> 3, message[position : position + length]
        position += length


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("it is cut off")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("it is no protocol buffer")
