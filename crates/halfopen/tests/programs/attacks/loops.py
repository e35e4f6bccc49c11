"""Attacks by sockets that are used again, or closed before anything comes of them."""

UNSPECIFIED = struct.pack("H14x", socket.AF_UNSPEC)


def disconnect(made):
    LIBC.connect(made.fileno(), UNSPECIFIED, 16)


def disconnect_and_go_on(dead, seconds, sockets):
    """A few sockets that call one after the other."""
    kept, dialled, start = [new_socket(dead[0]) for _ in range(sockets)], 0, time.monotonic()
    while time.monotonic() < start + seconds:
        made = kept[dialled % sockets]
        disconnect(made)
        connect(made, dead[dialled % len(dead)])
        dialled += 1
    return {"dialled": dialled}


def shut_down_and_go_on(dead, seconds, sockets):
    kept, dialled, start = [new_socket(dead[0]) for _ in range(sockets)], 0, time.monotonic()
    while time.monotonic() < start + seconds:
        made = kept[dialled % sockets]
        try:
            made.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has not begun
        disconnect(made)
        connect(made, dead[dialled % len(dead)])
        dialled += 1
    return {"dialled": dialled}


def connect_again(dead, seconds):
    """connect() of a socket that is at it already, to the same address and to others."""
    kept = [(new_socket(address), address) for address in dead]
    again, start = collections.Counter(), time.monotonic()
    while time.monotonic() < start + seconds:
        for number, (made, address) in enumerate(kept):
            to = address if number % 2 else dead[number // 2]
            again[connect(made, to)] += 1
    return {"again": {str(name): count for name, count in again.items()}}


def close_soon(dead, seconds, going, after):
    """So many at a time, each closed after so many seconds and followed by the next."""
    kept, dialled, start = collections.deque(), 0, time.monotonic()
    while time.monotonic() < start + seconds:
        now = time.monotonic()
        while kept and kept[0][0] <= now:
            kept.popleft()[1].close()
        while len(kept) < going:
            address = dead[dialled % len(dead)]
            made = new_socket(address)
            connect(made, address)
            dialled += 1
            if after:
                kept.append((now + after, made))
            else:
                made.close()
                break
        time.sleep(0.001)
    return {"dialled": dialled}
