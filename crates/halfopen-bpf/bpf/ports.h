/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which destination ports share their evidence in an account. Anybody can farm answers from services that answer all
 * over the Internet, and would spend the credit on the ports that worms ask for: neither group shares a cell with any
 * other port.
 */
#pragma once

#include "abi.h"

enum port_cell {
	CELL_HTTPS,
	CELL_HTTP,
	CELL_PUBLIC, /* mail and name servers */
	CELL_SSH,
	CELL_TELNET,
	CELL_WINDOWS,
	CELL_DESKTOPS,
	CELL_DATABASES,
	CELL_DEVICES,
	CELL_OTHERS
};

/* A DNS name counts only for these ports: for others a named address is an address like any other. */
static __always_inline int takes_names(__u8 cell)
{
	return cell <= CELL_PUBLIC;
}

static __always_inline int is_among(__u16 port, const __u16 *ports, unsigned int count)
{
	int is = 0;

	for (unsigned int i = 0; i < count; i++)
		is |= port == ports[i];
	return is;
}

#define IS_AMONG(port, ports) is_among(port, ports, sizeof(ports) / sizeof(*(ports)))

/* The cell of a port, below PORT_CELLS. Which of the remaining ports share a cell differs from account to account. */
static __always_inline __u8 port_cell(__u64 account, __u16 port)
{
	static const __u16 public[] = { 25, 53, 110, 143, 465, 587, 853, 993, 995 };
	static const __u16 windows[] = { 135, 137, 139, 445 };
	static const __u16 desktops[] = { 3389, 5900, 5901 };
	static const __u16 databases[] = { 1433, 1521, 3306, 5432, 6379, 9200, 11211, 27017 };
	static const __u16 devices[] = { 21, 2375, 5555, 7547, 8080, 8291, 8443, 37215, 52869 };
	__u64 mixed = (account ^ port) * 0x9e3779b97f4a7c15ULL;

	if (port == 443)
		return CELL_HTTPS;
	if (port == 80)
		return CELL_HTTP;
	if (port == 22 || port == 2222)
		return CELL_SSH;
	if (port == 23 || port == 2323)
		return CELL_TELNET;
	if (IS_AMONG(port, public))
		return CELL_PUBLIC;
	if (IS_AMONG(port, windows))
		return CELL_WINDOWS;
	if (IS_AMONG(port, desktops))
		return CELL_DESKTOPS;
	if (IS_AMONG(port, databases))
		return CELL_DATABASES;
	if (IS_AMONG(port, devices))
		return CELL_DEVICES;
	mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9ULL >> 32;
	return CELL_OTHERS + (mixed * (PORT_CELLS - CELL_OTHERS) >> 32);
}
