"""Attacks on the waking of others: attempts whose own wakes are lost."""

TCP_MD5SIG_EXT, MD5_PREFIX = 32, 1
NOWHERE = """ip link add out0 type veth peer name out1; ip link set out1 up; ip link set out0 arp off up
             ip addr add 10.9.0.2/24 dev out0; ip route add default dev out0"""
DEAF = "table inet deaf {{ chain lost {{ type filter hook {} priority 0; tcp flags rst drop; }}\n}}"


def wait_for_turns(dead, count, prepare=None):
    kept = []
    for number in range(count):
        made = new_socket(dead[0])
        if prepare:
            prepare(made)
        connect(made, dead[number % len(dead)], 1000 + number)
        kept.append(made)
    say({"waiting": count})
    time.sleep(3600)


def with_a_way_nowhere(chain):
    own_namespace()
    tool(NOWHERE)
    tool("nft -f -", DEAF.format(chain))


def dropped_in_a_namespace(dead, count):
    with_a_way_nowhere("input")
    wait_for_turns(dead, count)


def refused_in_a_namespace(dead, count):
    """The packets cannot even be sent."""
    with_a_way_nowhere("output")
    wait_for_turns(dead, count)


def dropped_at_the_socket(dead, count):
    """In the namespace of all others: it takes only what is signed."""
    def sign(made):
        peer = struct.pack("HH4s", socket.AF_INET, 0, b"").ljust(128, b"\0")
        key = struct.pack("BBHI", MD5_PREFIX, 0, 3, 0) + b"key".ljust(80, b"\0")
        made.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG_EXT, peer + key)

    wait_for_turns(dead, count, sign)


def unsendable_in_many_namespaces(dead, namespaces, each):
    """They live as long as their sockets: no process is in them."""
    own_namespace()
    kept = []
    for number in range(namespaces):
        unshare(CLONE_NEWNET)
        tool("ip link set lo up;" + NOWHERE)
        for other in range(each):
            made = new_socket(dead[0])
            connect(made, dead[(number + other) % len(dead)], 1000 + number)
            kept.append(made)
        if number == 0:
            say({"waiting": each})
    time.sleep(3600)
