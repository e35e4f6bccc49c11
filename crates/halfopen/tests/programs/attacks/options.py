"""Attacks by options of sockets that wait."""

TCP_SYNCNT, TCP_DEFER_ACCEPT, TCP_USER_TIMEOUT, TCP_REPAIR = 7, 9, 18, 19
TCP_FASTOPEN_CONNECT, TCP_RTO_MAX_MS, MSG_FASTOPEN = 30, 44, 0x20000000
SO_MARK, SO_BINDTODEVICE = 36, 25
ESTABLISHED = 1  # the first byte of tcp_info


def change_while_they_wait(dead, seconds):
    """The options that a hold puts others in place of, by two threads at a time."""
    kept = []
    refused = collections.Counter()
    for address in dead:
        made = new_socket(address)
        connect(made, address)
        kept.append(made)
    end = time.monotonic() + seconds

    def change(options):
        number = 0
        while time.monotonic() < end:
            made = kept[number % len(kept)]
            option, value = options[number % len(options)]
            number += 1
            try:
                made.setsockopt(socket.IPPROTO_TCP, option, value)
                made.getsockopt(socket.IPPROTO_TCP, option)
            except OSError as error:
                refused[errno.errorcode[error.errno]] += 1

    threads = [
        threading.Thread(target=change, args=[options])
        for options in (
            [(TCP_SYNCNT, 1), (TCP_SYNCNT, 127), (TCP_DEFER_ACCEPT, 1), (TCP_USER_TIMEOUT, 0), (TCP_USER_TIMEOUT, 1)],
            [(TCP_RTO_MAX_MS, 1000), (TCP_USER_TIMEOUT, 600_000), (TCP_RTO_MAX_MS, 120_000), (TCP_SYNCNT, 6), (46, 200_000)],
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"refused": refused}


def repair(dead):
    """What a plain user is told; 0 is leave."""
    with new_socket(dead[0]) as made:
        try:
            made.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            return 0
        except OSError as error:
            return error.errno


def mark_and_device(dead, seconds):
    """Marks take a privilege; a device may be chosen once. The loopback leads nowhere, and nothing is to be earned there."""
    refused = collections.Counter()

    def bind_to(made, name):
        for option, value in ((SO_MARK, struct.pack("i", 1)), (SO_BINDTODEVICE, name)):
            try:
                made.setsockopt(socket.SOL_SOCKET, option, value)
            except OSError as error:
                refused[errno.errorcode[error.errno]] += 1

    scan(dead, 1, lambda made: bind_to(made, b"lo"))
    result = scan(dead, seconds, lambda made: bind_to(made, b"lab0"))
    return result | {"refused": refused}


def fast_open(dead, seconds, how):
    """Data in the SYN, by sendto() or by the first send() after a connect() that does nothing yet."""
    kept, failed = [], collections.Counter()
    for address in dead:
        made = new_socket(address)
        try:
            if how == "deferred":
                made.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
                made.connect((address, PORT))
                made.send(b"GET / HTTP/1.0\r\n\r\n")
            else:
                made.sendto(b"GET / HTTP/1.0\r\n\r\n", MSG_FASTOPEN, (address, PORT))
        except OSError as error:
            failed[errno.errorcode[error.errno]] += 1
        kept.append(made)
    time.sleep(seconds)
    return {"failed": failed}


def declare_established(dead, seconds, contained):
    """Root of the namespace may do so with connections that nobody has answered. Closed so, they send nothing."""
    if contained:
        container()
    declared = 0
    for address in dead:
        with new_socket(address) as made:
            made.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            connect(made, address)
            declared += made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED
    return scan(dead, seconds) | {"declared": declared}
