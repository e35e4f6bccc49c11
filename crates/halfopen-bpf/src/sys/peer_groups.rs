//! The supplementary groups of a socket's peer.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

/// The supplementary groups of the process at the other end of a Unix socket, as they were when it connected (unix(7),
/// `SO_PEERGROUPS`).
///
/// # Errors
/// If the socket is of another kind or not connected.
pub fn peer_groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; 32];
    loop {
        let mut length =
            libc::socklen_t::try_from(groups.len() * size_of::<u32>()).map_err(io::Error::other)?;
        // SAFETY: the kernel writes at most `length` bytes, which `groups` has, and any bytes are numbers.
        let failed = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let found = length as usize / size_of::<u32>();
        if failed == 0 {
            groups.truncate(found);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // The kernel has said how many there are.
        if error.raw_os_error() != Some(libc::ERANGE) || found <= groups.len() {
            return Err(error);
        }
        groups.resize(found, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_other_end_of_a_pair_has_the_groups_of_this_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let listed = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
        let listed: Vec<u32> = listed.split_whitespace().map(|group| group.parse().unwrap()).collect();
        assert_eq!(peer_groups(&one).unwrap(), listed);
        assert!(peer_groups(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
