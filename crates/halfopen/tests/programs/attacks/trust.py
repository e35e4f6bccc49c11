"""Attacks on what is known, named and earned: answers that the attacker gives himself."""

NAME_SERVER = 53


def known_elsewhere(dead, seconds):
    """Lets them all answer in a namespace of its own, then scans."""
    told, tell = os.pipe()

    def earn():
        own_namespace()
        answer_for_everybody()
        ended = visit(dead, 500, 2)
        os.write(tell, json.dumps(sum(error in (None, "ECONNRESET") for error, _ in ended)).encode())

    in_child(earn)
    return scan(dead, seconds) | {"answered": int(os.read(told, 100))}


def answers(query, addresses):
    question = query[12 : 12 + query[12:].index(b"\0") + 5]
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 3600, 4) + socket.inet_aton(each) for each in addresses)
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(addresses), 0, 0) + question + records


def ask_oneself(server, addresses, each):
    """A resolver's address of one's own answers whatever is asked; how many addresses it has named."""
    tool(f"ip addr add {server}/32 dev lo")
    resolver, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    resolver.bind((server, NAME_SERVER))
    client.connect((server, NAME_SERVER))
    client.settimeout(1)
    named = 0
    for number, start in enumerate(range(0, len(addresses), each)):
        name = f"n{number}".encode()
        client.send(struct.pack("!HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + bytes([len(name)]) + name + b"\4test\0\0\1\0\1")
        query, asker = resolver.recvfrom(512)
        resolver.sendto(answers(query, addresses[start : start + each]), asker)
        client.recv(65535)
        named += len(addresses[start : start + each])
    return named


def named_elsewhere(dead, seconds, server):
    in_child(lambda: (own_namespace(), ask_oneself(server, dead, 20)))
    return scan(dead, seconds)


def name_others(server, count):
    """Names as many other addresses, from a namespace of its own."""
    addresses = [f"198.19.{number >> 8 & 255}.{number & 255}" for number in range(count)]
    in_child(lambda: (own_namespace(), ask_oneself(server, addresses, 20)))
    return {"named": count}


def name_server(server, addresses):
    """A resolver that answers with all of them."""
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind((server, NAME_SERVER))
    say({"ready": True})
    while True:
        query, asker = resolver.recvfrom(512)
        resolver.sendto(answers(query, addresses), asker)


def ask_and_stay(server, dead, live, seconds):
    """Asks for names, spends its credit on the dead, and visits those that were named once it is told to."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((server, NAME_SERVER))
    client.settimeout(2)
    client.send(struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + b"\4live\4test\0\0\1\0\1")
    client.recv(65535)
    kept = [new_socket(address) for address in dead]
    for made, address in zip(kept, dead):
        connect(made, address)
    say({"spent": len(kept)})
    await_word()
    return visit(live, 0, seconds)


def know_and_stay(dead, live, seconds):
    """The same with addresses that it knows."""
    visit(live, 0, seconds)
    kept = [new_socket(address) for address in dead]
    for made, address in zip(kept, dead):
        connect(made, address)
    say({"spent": len(kept)})
    await_word()
    return visit(live, 0, seconds)


def flood_known(count, each, networks):
    """Has as many addresses answer in namespaces of its own, from one process for each network."""
    def earn(network):
        own_namespace()
        answer_for_everybody()
        addresses = [f"198.{18 + network % 2}.{number >> 8 & 255}.{number & 255}" for number in range(0, count, each)]
        visit(addresses, 0, 2)

    children = []
    for network in range(networks):
        process = os.fork()
        if process == 0:
            earn(network)
            os._exit(0)
        children.append(process)
    for process in children:
        os.waitpid(process, 0)
    return {"answered": networks * (count // each)}


def tiny_namespaces(dead, count, each, seconds):
    """Many namespaces in which everybody answers, each dialling a few; then a scan."""
    def earn():
        own_namespace()
        os.closerange(3, 64)
        for number in range(count):
            unshare(CLONE_NEWNET)
            tool("ip link set lo up; ip route add local 198.18.0.0/15 dev lo")
            listener = socket.socket()
            listener.bind(("", PORT))
            listener.listen(64)
            for address in dead[number * each % len(dead) :][:each]:
                new_socket(address).connect_ex((address, PORT))
            listener.close()
            if time.monotonic() > end:
                break

    end = time.monotonic() + seconds
    in_child(earn)
    return scan(dead, 5)


def translated(dead, seconds):
    """Exempt addresses that a container's own rules turn into others on their way out."""
    container()
    local = [f"127.9.{number >> 8}.{number & 255}" for number in range(len(dead))]
    pairs = ", ".join(f"{one} : {other}" for one, other in zip(local, dead))
    tool("nft -f -", f"""table ip own {{
        chain out {{ type nat hook output priority -100; dnat to ip daddr map {{ {pairs} }}; }}
        chain post {{ type nat hook postrouting priority 100; oifname "eth0" snat to 10.78.0.2; }}
    }}""")
    write("/proc/sys/net/ipv4/conf/all/route_localnet", "1")
    return scan(local, seconds)


def names_of_programs(dead, count, seconds):
    """Waits under thousands of names, one after the other."""
    kept = []
    for number in range(count):
        LIBC.prctl(15, f"name-{number}".encode())
        made = new_socket(dead[0])
        connect(made, dead[number % len(dead)], 1000 + number)
        kept.append(made)
        if len(kept) > 500:
            kept.pop(0).close()
    time.sleep(seconds)
    return {"names": count}


def answer_here():
    """Whatever is turned to this host is answered."""
    listener = socket.socket()
    listener.bind(("", PORT))
    listener.listen(4096)
    say({"ready": True})
    while True:
        accepted = listener.accept()[0]
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        accepted.close()


def visit_and_scan(dead, seconds):
    """Visits them while somebody answers for them, and scans them once told that nobody does any more."""
    ended = visit(dead, 500, 2)
    say({"answered": sum(error in (None, "ECONNRESET") for error, _ in ended)})
    await_word()
    return scan(dead, seconds)
