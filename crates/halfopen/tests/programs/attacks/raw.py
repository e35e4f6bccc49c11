"""Attacks below TCP, and by protocols beside it."""

AF_RDS, AF_SMC, ETH_P_IP = 21, 43, 0x0800


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def segment(source, to, port, flags, to_port=PORT, sequence=1, acknowledged=0):
    def tcp(sum_):
        return struct.pack("!HHIIBBHHH", port, to_port, sequence, acknowledged, 5 << 4, flags, 64000, sum_, 0)

    family = family_of(to)
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, to)
    return tcp(checksum(ends + struct.pack("!II", 20, 6) + tcp(0)))


def ip(source, to, payload, offset=0, more=False, ident=7):
    word = (0x2000 if more else 0) | offset // 8
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, word, 64, 6, 0, socket.inet_aton(source), socket.inet_aton(to))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def raw_syns(dead, source, how):
    """One SYN to each; which errors came."""
    protocol = socket.IPPROTO_TCP if how == "tcp" else socket.IPPROTO_RAW
    sender = socket.socket(family_of(dead[0]), socket.SOCK_RAW, protocol)
    failed = collections.Counter()
    for number, address in enumerate(dead):
        syn = segment(source, address, 20000 + number, 2)
        packets = [syn]
        if how == "header included":
            packets = [ip(source, address, syn)]
        elif how == "fragments":
            packets = [ip(source, address, syn[:8], 0, True, number), ip(source, address, syn[8:], 8, False, number)]
        for packet in packets:
            try:
                sender.sendto(packet, (address, 0))
            except OSError as error:
                failed[errno.errorcode[error.errno]] += 1
    time.sleep(0.5)
    return {"failed": failed}


def packet_socket():
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    say({"pid": os.getpid()})
    await_word()
    opened.close()


def smc(dead, seconds):
    """Its own protocol over a TCP socket that the kernel makes."""
    kept, failed = [], collections.Counter()
    for address in dead:
        made = socket.socket(AF_SMC, socket.SOCK_STREAM, 0)
        made.setblocking(False)
        error = LIBC.connect(made.fileno(), struct.pack("=HH4s8x", socket.AF_INET, socket.htons(PORT), socket.inet_aton(address)), 16)
        failed[errno.errorcode[ctypes.get_errno()] if error else None] += 1
        kept.append(made)
    time.sleep(seconds)
    return {"failed": {str(name): count for name, count in failed.items()}}


def rds(dead, seconds, source):
    """Datagrams that the kernel carries over TCP connections of its own."""
    sender = socket.socket(AF_RDS, socket.SOCK_SEQPACKET, 0)
    sender.setblocking(False)
    LIBC.bind(sender.fileno(), struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(source)), 16)
    for address in dead:
        to = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(PORT), socket.inet_aton(address))
        LIBC.sendto(sender.fileno(), b"x", ctypes.c_size_t(1), 0, to, 16)
    time.sleep(seconds)
    return {}


CAP_NET_RAW = 13
PR_CAPBSET_DROP = 24


def administrator():
    """Root of a container of the host that has CAP_NET_ADMIN, but may open no packet sockets."""
    container_of_the_host()
    LIBC.prctl(PR_CAPBSET_DROP, CAP_NET_RAW)


def in_turn(dead):
    return f"numgen inc mod {len(dead)} map {{ {', '.join(f'{at} : {address}' for at, address in enumerate(dead))} }}"


def forwarding():
    for name in ("ip_forward", "conf/all/accept_local", "conf/default/accept_local"):
        write(f"/proc/sys/net/ipv4/{name}", "1")


def copies(dead, live, seconds):
    """Copies of what waits, made by its own rules."""
    administrator()
    tool("nft -f -", 'table ip own { chain out { type filter hook output priority 0; tcp flags syn dup to 10.78.0.1 device "eth0"; }\n}')
    return scan(dead, seconds)


def rewritten_at_the_device(dead, live, seconds):
    """Dials a known address; the device's own rules send each SYN to another."""
    administrator()
    visit(live[:1], 0, 2)
    tool("nft -f -", f'table netdev own {{ chain out {{ type filter hook egress device "eth0" priority 0; tcp flags syn ip daddr set {in_turn(dead)}; }}\n}}')
    return scan(live[:1] * len(dead), seconds)


def forwarded_from_a_pair(dead, live, seconds):
    """Dials a known address through a pair of devices, of which the second one's rules send each SYN to another."""
    administrator()
    visit(live[:1], 0, 2)
    forwarding()
    tool("ip link add a0 address 02:00:00:00:00:01 type veth peer name b0 address 02:00:00:00:00:02")
    tool(f"ip link set a0 up; ip link set b0 up; ip route add {live[0]} dev a0 src 10.78.0.2; ip neigh add {live[0]} lladdr 02:00:00:00:00:02 dev a0")
    tool("nft -f -", f'table ip own {{ chain pre {{ type filter hook prerouting priority -300; iif b0 ip daddr set {in_turn(dead)}; }}\n}}')
    return scan(live[:1] * len(dead), seconds)


def forwarded_from_a_tunnel(dead, live, seconds):
    """Writes SYNs into a tunnel of its own, from where they are forwarded."""
    import fcntl

    administrator()
    forwarding()
    tunnel = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tunnel, 0x400454CA, struct.pack("16sH22x", b"t0", 0x1001))
    tool("ip addr add 10.79.0.1/24 dev t0; ip link set t0 up; ip route add default via 10.78.0.1 metric 5 || true")
    for number, address in enumerate(dead):
        ends = socket.inet_aton("10.79.0.2") + socket.inet_aton(address)
        segment = struct.pack("!HHIIBBHHH", 1024 + number, PORT, 1, 0, 0x50, 2, 1024, 0, 0)
        segment = segment[:16] + struct.pack("!H", checksum(ends + struct.pack("!HH", 6, 20) + segment)) + segment[18:]
        header = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + ends
        os.write(tunnel, header[:10] + struct.pack("!H", checksum(header)) + header[12:] + segment)
    time.sleep(1)
    return {"written": len(dead)}
