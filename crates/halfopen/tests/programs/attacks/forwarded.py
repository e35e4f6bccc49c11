import functools


ETH_P_IPV6, DESTINATION_OPTIONS = 0x86DD, 60


def ipv6(source, to, payload):
    """With an extension header before TCP's."""
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    options = struct.pack("!BBBB4x", socket.IPPROTO_TCP, 0, 1, 4)
    return struct.pack("!IHBB", 6 << 28, 8 + len(payload), DESTINATION_OPTIONS, 64) + ends + options + payload


@functools.cache
def gateway():
    """Its hardware address, once the kernel has asked for it."""
    asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(100):
        asks.sendto(b"x", ("10.78.0.1", 9))
        neighbour = subprocess.run(["ip", "neigh", "show", "10.78.0.1"], text=True, capture_output=True).stdout
        if "lladdr" in neighbour:
            return bytes.fromhex(neighbour.split("lladdr ")[1].split()[0].replace(":", ""))
        time.sleep(0.02)
    raise OSError("no gateway")


def frames(dead, source="10.78.0.2", first_port=20000):
    """SYNs through a packet socket, as a scanner with a TCP of its own sends them."""
    protocol, packet = (ETH_P_IPV6, ipv6) if ":" in source else (ETH_P_IP, ip)
    to_gateway = ("eth0", protocol, 0, 0, gateway())
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(protocol)) as sender:
        for number, to in enumerate(dead):
            sender.sendto(packet(source, to, segment(source, to, first_port + number, 2)), to_gateway)


def packets_without_administration(dead, live, seconds):
    """Root of a container with CAP_NET_RAW, which Docker gives, but without CAP_NET_ADMIN once its link is up."""
    container_of_the_host()
    for _ in range(3):
        frames(dead)
        time.sleep(seconds / 3)
    return {}


def packets_over_ipv6(dead, seconds):
    container_of_the_host()
    for _ in range(3):
        frames(dead, source="fd00:78::2")
        time.sleep(seconds / 3)
    return {}


def packets_and_stay(dead):
    container_of_the_host()
    frames(dead)
    say({})
    await_word()


def visits_past_sockets(dead, live, seconds):
    """Four strangers a second by a TCP of its own, each asked again after a second, twice."""
    container_of_the_host()
    for at in range(0, len(live), 8):
        for _ in range(3):
            frames(live[at : at + 8])
        time.sleep(1)
    for _ in range(3):
        frames(live)
        time.sleep(1)
    return {}


def visit_from_container(live):
    container_of_the_host()
    return visit(live)


def container_at(address):
    unshare(CLONE_NEWNET)
    tool("ip link set lo up")
    say({"pid": os.getpid()})
    await_word()
    tool(f"ip addr add {address}/16 dev eth0; ip link set eth0 up; ip route add default via 10.78.0.1")


def made_up_sources(dead, live, seconds):
    container_at("10.78.0.2")
    for number, to in enumerate(dead):
        if number % 50 == 0:
            time.sleep(seconds / len(dead) * 50)
        frames([to], source=f"10.78.{1 + number % 250}.{2 + number // 250}", first_port=20000 + number)
    return {}


def visits_behind_a_bridge(live, address, per_s):
    container_at(address)
    return visit(live, per_s)


def answers_for_a_network():
    unshare(CLONE_NEWNET)
    tool("ip link set lo up")
    say({"pid": os.getpid()})
    await_word()
    tool("ip addr add 10.79.0.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.79.0.1")
    tool("ip route add local 10.80.0.0/16 dev lo")
    listener = socket.create_server(("0.0.0.0", PORT), backlog=4096)
    say({})
    await_word()
    listener.close()


def farm_and_scan(dead, answered, seconds):
    container_of_the_host()
    for at in range(0, answered, 20):
        frames([f"10.80.{number >> 8}.{number & 255}" for number in range(at, at + 20)])
        time.sleep(0.02)
    for _ in range(3):
        frames(dead)
        time.sleep(seconds / 3)
    return {}
