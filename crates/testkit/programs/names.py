"""A client of DNS, or a server that answers as it should not.

names.py resolve NAME...             asks the system's resolver; prints an address a line
names.py ask SERVER NAME...          asks by one query each; prints how many datagrams have come back for each
names.py serve ADDRESS OTHER         answers on ADDRESS; the first label says how, see ANSWERS; OTHER is its second address
"""
import socket
import struct
import sys

PORT = 53
ADDRESS = bytes([198, 18, 200, 1])


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner, kind, data, ttl=60):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def answer(query, question, records, flags=0x8180, count=None):
    ident = query[:2]
    return ident + struct.pack("!HHHHH", flags, 1, count or len(records), 0, 0) + question + b"".join(records)


# Each names an address of its own, its last byte, so that none is named by another one's answer.
ANSWERS = ["right", "id", "address", "question", "truncated", "nosuch", "short", "loop", "longer", "owner", "twice", "none"]


def replies(how, query):
    """What is sent, and from which socket: the server's (0) or the other one (1)."""
    address = ADDRESS[:3] + bytes([ANSWERS.index(how) + 1])
    question = query[12:12 + query[12:].index(b"\0") + 5]
    whole = answer(query, question, [record(b"\xc0\x0c", 1, address)])
    if how == "id":
        return [(0, bytes([whole[0] ^ 0x55]) + whole[1:])]
    if how == "address":
        return [(1, whole)]
    if how == "question":
        return [(0, answer(query, name("other.test") + b"\0\1\0\1", [record(b"\xc0\x0c", 1, address)]))]
    if how == "truncated":
        return [(0, answer(query, question, [record(b"\xc0\x0c", 1, address)], flags=0x8380))]
    if how == "nosuch":
        return [(0, answer(query, question, [record(b"\xc0\x0c", 1, address)], flags=0x8183))]
    if how == "short":
        return [(0, answer(query, question, [record(b"\xc0\x0c", 1, address)], count=2))]
    if how == "loop":
        at = struct.pack("!H", 0xc000 | 12 + len(question))
        return [(0, answer(query, question, [record(at, 1, address), record(b"\xc0\x0c", 1, address)]))]
    if how == "longer":
        return [(0, whole + b"\0" * 4100)]
    if how == "owner":
        return [(0, answer(query, question, [record(name("other.test"), 1, address)]))]
    if how == "twice":
        first = answer(query, question, [record(b"\xc0\x0c", 1, bytes([198, 18, 200, 100]))])
        return [(0, first), (0, whole)]
    if how == "none":
        return []
    return [(0, whole)]


def bound(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    new = socket.socket(family, socket.SOCK_DGRAM)
    # The second address may be one of a prefix that is routed here.
    new.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND
    new.bind((address, PORT))
    return new


def serve(addresses):
    sockets = [bound(address) for address in addresses]
    print("ready", flush=True)
    while True:
        query, client = sockets[0].recvfrom(4096)
        if query.startswith(b"unasked"):
            question = name("unasked.test") + b"\0\1\0\1"
            sockets[0].sendto(answer(query[7:9], question, [record(b"\xc0\x0c", 1, ADDRESS[:3] + b"\xc8")]), client)
            continue
        how = query[13:13 + query[12]].decode().lower()
        for by, reply in replies(how, query):
            sockets[by].sendto(reply, client)


def ask(server, names):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(0.3)
    for ident, asked in enumerate(names):
        if asked == "unasked":
            client.sendto(b"unasked" + struct.pack("!H", ident), (server, PORT))
        else:
            query = struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + name(asked) + b"\0\1\0\1"
            client.sendto(query, (server, PORT))
        came = 0
        try:
            while True:
                client.recv(65535)
                came += 1
        except TimeoutError:
            print(asked, came, flush=True)


def resolve(names):
    for asked in names:
        for found in socket.getaddrinfo(asked, 80, type=socket.SOCK_STREAM):
            print(found[4][0], flush=True)


command, *arguments = sys.argv[1:]
if command == "serve":
    serve(arguments)
elif command == "ask":
    ask(arguments[0], arguments[1:])
else:
    resolve(arguments)
