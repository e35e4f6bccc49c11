"""A UDP socket that does as told by lines of stdin and answers each with a line.

{"bind": PORT}                                -> {"bound": [host, port]}
{"send": [[host, port], ...], "how": HOW}     -> {"errno": [0 or the error of each]}; HOW: "sendto" from the bound
                                                 socket, "connected" from one of its own each
{"send_from": [host, port], "to": [host, port]} -> {"errno": [...]}
{"until": TEXT}                               -> {"heard": [texts that have arrived, TEXT the last]}
What is sent is the text of the address it is sent to.
"""

import json
import socket
import sys

bound = None


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def new(host):
    return socket.socket(family(host), socket.SOCK_DGRAM)


def error_of(act, *arguments):
    try:
        act(*arguments)
        return 0
    except OSError as error:
        return error.errno


def send_connected(text, to):
    with new(to[0]) as one:
        one.connect(to)
        one.send(text)


for line in sys.stdin:
    asked = json.loads(line)
    if "bind" in asked:
        bound = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        bound.settimeout(30)
        bound.bind(("::", asked["bind"]))
        answer = {"bound": bound.getsockname()[:2]}
    elif "send_from" in asked:
        with new(asked["to"][0]) as one:
            one.bind(tuple(asked["send_from"]))
            answer = {"errno": [error_of(one.sendto, asked["to"][0].encode(), tuple(asked["to"]))]}
    elif "send" in asked:
        errors = []
        for host, port in asked["send"]:
            # The bound socket speaks IPv6 only, in mapped form too.
            to = (host if ":" in host else "::ffff:" + host, port)
            if asked["how"] == "connected":
                errors.append(error_of(send_connected, host.encode(), (host, port)))
            else:
                errors.append(error_of(bound.sendto, host.encode(), to))
        answer = {"errno": errors}
    else:
        heard = []
        try:
            while not heard or heard[-1] != asked["until"]:
                heard.append(bound.recv(100).decode())
        except TimeoutError:
            pass
        answer = {"heard": heard}
    print(json.dumps(answer), flush=True)
