"""Connects through an io_uring, with a linked timeout that cancels it: HOST PORT MILLISECONDS.

Prints the result of the connect (0 or a negative errno), closes the socket, and stays until stdin is closed.
"""

import ctypes
import mmap
import os
import socket
import struct
import sys

SETUP, ENTER = 425, 426  # on every architecture
OFF_SQ, OFF_CQ, OFF_SQES = 0, 0x8000000, 0x10000000
ENTER_GETEVENTS = 1
OP_LINK_TIMEOUT, OP_CONNECT = 15, 16
IO_LINK = 1 << 2
ENTRIES, ENTRY_BYTES, COMPLETION_BYTES = 8, 64, 16
CONNECT, TIMEOUT = 1, 2

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def system_call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def submission(opcode, flags, fd, offset, address, length, user_data):
    return struct.pack("BBHiQQIIQ", opcode, flags, 0, fd, offset, address, length, 0, user_data).ljust(
        ENTRY_BYTES, b"\0")


def word(area, at):
    return struct.unpack_from("I", area, at)[0]


host, port, milliseconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
parameters = ctypes.create_string_buffer(120)
ring = system_call(SETUP, ctypes.c_uint(ENTRIES), parameters)
sq_head, sq_tail, _, sq_entries, _, _, sq_array = struct.unpack_from("7I", parameters, 40)
cq_head, cq_tail, cq_mask, cq_entries, _, cqes = struct.unpack_from("6I", parameters, 80)
submissions = mmap.mmap(ring, sq_array + sq_entries * 4, offset=OFF_SQ)
completions = mmap.mmap(ring, cqes + cq_entries * COMPLETION_BYTES, offset=OFF_CQ)
entries = mmap.mmap(ring, sq_entries * ENTRY_BYTES, offset=OFF_SQES)

connecting = socket.socket()
target = ctypes.create_string_buffer(
    struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton(host)), 16)
time = ctypes.create_string_buffer(struct.pack("qq", milliseconds // 1000, milliseconds % 1000 * 1_000_000), 16)
entries[:ENTRY_BYTES] = submission(
    OP_CONNECT, IO_LINK, connecting.fileno(), 16, ctypes.addressof(target), 0, CONNECT)
entries[ENTRY_BYTES:2 * ENTRY_BYTES] = submission(OP_LINK_TIMEOUT, 0, -1, 0, ctypes.addressof(time), 1, TIMEOUT)
struct.pack_into("II", submissions, sq_array, 0, 1)
struct.pack_into("I", submissions, sq_tail, 2)
system_call(ENTER, ctypes.c_uint(ring), ctypes.c_uint(2), ctypes.c_uint(2), ctypes.c_uint(ENTER_GETEVENTS), None,
            ctypes.c_size_t(0))

for index in range(word(completions, cq_head), word(completions, cq_tail)):
    at = cqes + (index & word(completions, cq_mask)) * COMPLETION_BYTES
    user_data, result = struct.unpack_from("Qi", completions, at)
    if user_data == CONNECT:
        print(result, flush=True)
connecting.close()
os.read(0, 1)
