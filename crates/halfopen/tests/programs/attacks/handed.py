"""Attacks by who connects for whom: io_uring, and sockets that are passed on."""

IO_URING_SETUP, IO_URING_ENTER = 425, 426
OFF_SQ, OFF_CQ, OFF_SQES = 0, 0x8000000, 0x10000000
SETUP_SQPOLL, ENTER_SQ_WAKEUP = 2, 2
OP_CONNECT, ASYNC = 16, 1 << 4
ENTRIES, ENTRY_BYTES, COMPLETION_BYTES = 512, 64, 16


def system_call(number, *arguments):
    LIBC.syscall.restype = ctypes.c_long
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def uring(dead, seconds, polled, workers):
    """All connects from one ring: by the caller, by worker threads of the kernel, or by the thread that polls the ring."""
    import mmap

    flags = struct.pack("II", SETUP_SQPOLL if polled else 0, 0)
    parameters = ctypes.create_string_buffer(b"\0" * 8 + flags, 120)
    ring = system_call(IO_URING_SETUP, ctypes.c_uint(ENTRIES), parameters)
    _, sq_tail, _, _, _, _, sq_array = struct.unpack_from("7I", parameters, 40)
    _, _, _, cq_entries, _, cqes = struct.unpack_from("6I", parameters, 80)
    submissions = mmap.mmap(ring, sq_array + ENTRIES * 4, offset=OFF_SQ)
    completions = mmap.mmap(ring, cqes + cq_entries * COMPLETION_BYTES, offset=OFF_CQ)
    entries = mmap.mmap(ring, ENTRIES * ENTRY_BYTES, offset=OFF_SQES)
    kept = []
    for number, address in enumerate(dead):
        made = socket.socket()
        target = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(PORT), socket.inet_aton(address))
        target = ctypes.create_string_buffer(target, 16)
        entry = struct.pack("BBHiQQIIQ", OP_CONNECT, ASYNC if workers else 0, 0, made.fileno(), 16, ctypes.addressof(target), 0, 0, number)
        entries[number * ENTRY_BYTES : (number + 1) * ENTRY_BYTES] = entry.ljust(ENTRY_BYTES, b"\0")
        struct.pack_into("I", submissions, sq_array + 4 * number, number)
        kept.append((made, target))
    struct.pack_into("I", submissions, sq_tail, len(dead))
    flags = ENTER_SQ_WAKEUP if polled else 0
    system_call(IO_URING_ENTER, ctypes.c_uint(ring), ctypes.c_uint(len(dead)), ctypes.c_uint(0), ctypes.c_uint(flags), None, ctypes.c_size_t(0))
    time.sleep(seconds)
    return {"completed": struct.unpack_from("I", completions, struct.unpack_from("6I", parameters, 80)[1])[0]}


def send_sockets(dead, seconds, at, connected):
    """Gives its sockets to whoever waits there, before or after it has called connect()."""
    kept = []
    for address in dead:
        made = new_socket(address)
        if connected:
            connect(made, address)
        kept.append(made)
    with socket.socket(socket.AF_UNIX) as channel:
        while channel.connect_ex("\0" + at):
            time.sleep(0.05)
        for start in range(0, len(kept), 100):
            part = [made.fileno() for made in kept[start : start + 100]]
            socket.send_fds(channel, [b"x"], part)
            channel.recv(1)
    return {"handed": len(kept)}


def take_sockets(dead, seconds, at, connected):
    """Connects what it is given, or keeps it going."""
    waiting = socket.socket(socket.AF_UNIX)
    waiting.bind("\0" + at)
    waiting.listen()
    say({"waiting": True})
    channel, kept = waiting.accept()[0], []
    while len(kept) < len(dead):
        got = socket.recv_fds(channel, 1, 100)[1]
        kept += [socket.socket(fileno=number) for number in got]
        channel.send(b"x")
    if not connected:
        for made, address in zip(kept, dead):
            made.setblocking(False)
            connect(made, address)
    time.sleep(seconds)
    return {"taken": len(kept)}


def earn_with_sockets_of_another_namespace(dead, seconds):
    """A child whose namespace answers for everybody gives its sockets to this process, which connects them there."""
    ours, its = socket.socketpair()
    process = os.fork()
    if process == 0:
        own_namespace()
        answer_for_everybody()
        for start in range(0, len(dead), 100):
            made = [new_socket(address) for address in dead[start : start + 100]]
            socket.send_fds(its, [b"x"], [each.fileno() for each in made])
            its.recv(1)
        time.sleep(3600)
    connected = 0
    for start in range(0, len(dead), 100):
        got = [socket.socket(fileno=number) for number in socket.recv_fds(ours, 1, 100)[1]]
        for made, address in zip(got, dead[start : start + 100]):
            made.settimeout(2)
            connected += made.connect_ex((address, PORT)) in (0, errno.ECONNRESET)
            made.close()
        ours.send(b"x")
    result = scan(dead, seconds) | {"answered": connected}
    os.kill(process, 9)
    return result
