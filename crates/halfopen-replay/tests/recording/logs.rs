//! Logs that tell the same three attempts: one answered, one turned down, one silent.

use std::fmt::Write;

/// Zeek's own form.
pub const ZEEK: &str = "#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2023-11-14-22-13-20
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]
1700000002.500000\tC1\t192.0.2.1\t40000\t198.51.100.7\t443\ttcp\tssl\t12.250000\t500\t900\tSF\tT\tF\t0\tShADadFf\t9\t900\t8\t1200\t-
1700000001.000000\tC2\t192.0.2.1\t40001\t198.51.100.8\t25\ttcp\t-\t0.020000\t0\t0\tREJ\tT\tF\t0\tSr\t1\t60\t1\t40\t-
1700000000.123456\tC3\t2001:db8::1\t40002\t2001:db8::2\t445\ttcp\t-\t3.000000\t0\t0\tS0\tT\tF\t0\tS\t3\t240\t0\t0\t-
1700000003.000000\tC4\t192.0.2.1\t53000\t198.51.100.9\t53\tudp\tdns\t0.010000\t40\t80\tSF\tT\tF\t0\tDd\t1\t68\t1\t108\t-
1700000004.000000\tC5\t192.0.2.1\t40003\t198.51.100.7\t443\ttcp\t-\t-\t-\t-\tOTH\tT\tF\t0\tC\t0\t0\t0\t0\t-
#close\t2023-11-14-22-14-20
";

/// The same as JSON.
pub fn zeek_json() -> String {
    let mut text = String::new();
    for (ts, from, port, to, to_port, proto, duration, state, packets) in [
        ("1700000002.5", "192.0.2.1", 40_000, "198.51.100.7", 443, "tcp", "12.25", "SF", 9),
        ("1700000001", "192.0.2.1", 40_001, "198.51.100.8", 25, "tcp", "0.02", "REJ", 1),
        ("1700000000.123456", "2001:db8::1", 40_002, "2001:db8::2", 445, "tcp", "3.0", "S0", 3),
        ("1700000003.0", "192.0.2.1", 53_000, "198.51.100.9", 53, "udp", "0.01", "SF", 1),
        ("1700000004.0", "192.0.2.1", 40_003, "198.51.100.7", 443, "tcp", "0", "OTH", 0),
    ] {
        let _ = writeln!(
            text,
            r#"{{"ts":{ts},"uid":"C","id.orig_h":"{from}","id.orig_p":{port},"id.resp_h":"{to}","id.resp_p":{to_port},"proto":"{proto}","duration":{duration},"conn_state":"{state}","orig_pkts":{packets}}}"#
        );
    }
    text
}

/// The same by Suricata.
pub fn eve() -> String {
    let mut text = String::new();
    for (start, end, from, port, to, to_port, back, sent, came) in [
        ("22:13:22.500000", "22:13:34.750000", "192.0.2.1", 40_000, "198.51.100.7", 443, "1b", 9, 8),
        ("22:13:21.000000", "22:13:21.020000", "192.0.2.1", 40_001, "198.51.100.8", 25, "14", 1, 1),
        ("22:13:20.123456", "22:13:23.123456", "2001:db8::1", 40_002, "2001:db8::2", 445, "00", 3, 0),
    ] {
        let day = "2023-11-14T";
        let _ = writeln!(
            text,
            r#"{{"timestamp":"{day}22:14:00.0+0000","event_type":"flow","src_ip":"{from}","src_port":{port},"dest_ip":"{to}","dest_port":{to_port},"proto":"TCP","flow":{{"pkts_toserver":{sent},"pkts_toclient":{came},"start":"{day}{start}+0000","end":"{day}{end}+0000","state":"closed"}},"tcp":{{"tcp_flags_ts":"1b","tcp_flags_tc":"{back}"}}}}"#
        );
    }
    text += r#"{"timestamp":"2023-11-14T22:14:00.0+0000","event_type":"dns","src_ip":"192.0.2.1","proto":"UDP"}
{"timestamp":"2023-11-14T22:14:00.0+0000","event_type":"flow","src_ip":"192.0.2.1","src_port":1,"dest_ip":"192.0.2.9","dest_port":2,"proto":"TCP","flow":{"pkts_toserver":1,"pkts_toclient":1,"start":"2023-11-14T22:13:20.0+0000"},"tcp":{"tcp_flags_ts":"10","tcp_flags_tc":"10"}}
"#;
    text
}
