//! Which sockets and segments are a program's, and which the kernel's own.

use halfopen_policy::segments::{asks_to_connect, is_answer_to_stray, wrapped_asks_to_connect};
use halfopen_policy::whose::MadeAs;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const URG: u8 = 32;
/// ECE and CWR: no segment is another one for them.
const CONGESTION: [u8; 4] = [0, 64, 128, 192];

#[test]
fn a_socket_is_the_kernel_s_own_if_it_made_it_in_the_root_cgroup_for_no_program() {
    let own = MadeAs { by_kernel: true, ..MadeAs::default() };
    assert!(!own.acts_for_program());
    let others = [
        MadeAs { by_kernel: false, ..own },
        MadeAs { cgroup_level: 1, ..own },
        MadeAs { is_mptcp: true, ..own },
        MadeAs { is_smc: true, ..own },
    ];
    for other in others {
        assert!(other.acts_for_program(), "{other:?}");
    }
}

#[test]
fn only_a_bare_syn_asks_for_a_connection() {
    for more in CONGESTION {
        for asks in [SYN, SYN | PSH, SYN | FIN, SYN | URG] {
            assert!(asks_to_connect(asks | more), "{:#x}", asks | more);
        }
        for none in [0, ACK, RST, FIN, SYN | ACK, SYN | RST, RST | ACK, SYN | RST | ACK] {
            assert!(!asks_to_connect(none | more), "{:#x}", none | more);
        }
    }
}

/// ESP, AH and IPComp hide the flags. A tunnel's packet has a segment in it that was judged before.
#[test]
fn what_ipsec_has_sealed_is_a_syn_when_one_is_due() {
    for sealed in [50, 51, 108] {
        assert!(wrapped_asks_to_connect(sealed, false, true));
        assert!(!wrapped_asks_to_connect(sealed, false, false));
    }
    for tunnel in [4, 17, 41, 47] {
        assert!(!wrapped_asks_to_connect(tunnel, false, true));
        assert!(wrapped_asks_to_connect(tunnel, true, false), "what waits sends nothing");
    }
}

/// A SYN+ACK, too, is how a program talks TCP past the kernel's own.
#[test]
fn through_a_raw_socket_the_kernel_sends_only_rst_and_bare_ack() {
    for flags in 0..=u8::MAX {
        let bare = flags & !(64 | 128);
        let is_kernel_s = bare & RST != 0 || bare == ACK;
        assert_eq!(is_answer_to_stray(flags), is_kernel_s, "{flags:#x}");
    }
}
