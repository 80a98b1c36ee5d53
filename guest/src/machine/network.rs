//! Network interfaces by the classic ioctls: IPv4 address, route, link state; resolvers in /etc/resolv.conf.
use crate::failure::{During, Failure, Outcome};
use crate::proto::Network;
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

/// Gives an interface its address and, where wanted, the default route through it.
pub fn configure(network: &Network) -> Outcome<()> {
    let name = &network.interface;
    if !network.address.is_empty() {
        let (address, prefix) = parse_address(&network.address)?;
        set_address(name, address, prefix).during(|| format!("give {name} the address {}", network.address))?;
    }
    if !network.gateway.is_empty() {
        let gateway = parse(&network.gateway)?;
        set_default_route(gateway).during(|| format!("route through {gateway}"))?;
    }
    if !network.dns_servers.is_empty() {
        let mut lines = String::new();
        for server in &network.dns_servers {
            let _ = writeln!(lines, "nameserver {}", parse(server)?);
        }
        // A link (to a resolver service that does not run here) is replaced, not followed.
        let _ = fs::remove_file("/etc/resolv.conf");
        fs::write("/etc/resolv.conf", lines).during(|| "write /etc/resolv.conf")?;
    }
    Ok(())
}

pub fn set_link_up(name: &str) -> io::Result<()> {
    let socket = open_socket()?;
    let mut request = request_for(name)?;
    call(&socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the call above has filled in the flags.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    call(&socket, libc::SIOCSIFFLAGS, &mut request)
}

fn parse(text: &str) -> Outcome<Ipv4Addr> {
    text.parse().map_err(|_| Failure::invalid(format!("{text:?} is not an IPv4 address")))
}

fn parse_address(text: &str) -> Outcome<(Ipv4Addr, u32)> {
    let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
    match prefix.parse() {
        Ok(prefix) if prefix <= 32 => Ok((parse(address)?, prefix)),
        _ => Err(Failure::invalid(format!("{text:?} is not an address with a prefix length"))),
    }
}

fn netmask(prefix: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - prefix).unwrap_or(0))
}

fn set_address(name: &str, address: Ipv4Addr, prefix: u32) -> io::Result<()> {
    let socket = open_socket()?;
    let mut request = request_for(name)?;
    request.ifr_ifru.ifru_addr = socket_address(address);
    call(&socket, libc::SIOCSIFADDR, &mut request)?;
    request.ifr_ifru.ifru_netmask = socket_address(netmask(prefix));
    call(&socket, libc::SIOCSIFNETMASK, &mut request)?;
    set_link_up(name)
}

fn set_default_route(gateway: Ipv4Addr) -> io::Result<()> {
    let socket = open_socket()?;
    // SAFETY: all zeroes is a valid rtentry.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
    // The route of a restored machine may be there already, through another gateway.
    let _ = call(&socket, libc::SIOCDELRT, &mut route);
    route.rt_gateway = socket_address(gateway);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    call(&socket, libc::SIOCADDRT, &mut route)
}

fn open_socket() -> io::Result<OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    Ok(socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?)
}

fn request_for(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = byte as libc::c_char;
    }
    Ok(request)
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    // SAFETY: all zeroes is a valid sockaddr; its data is port (2 bytes), then the address.
    let mut socket: libc::sockaddr = unsafe { std::mem::zeroed() };
    socket.sa_family = libc::AF_INET as libc::sa_family_t;
    for (slot, byte) in socket.sa_data[2..6].iter_mut().zip(address.octets()) {
        *slot = byte as libc::c_char;
    }
    socket
}

fn call<T>(socket: &OwnedFd, request: libc::c_ulong, argument: &mut T) -> io::Result<()> {
    // SAFETY: each caller passes the structure that its request is defined for.
    match unsafe { libc::ioctl(socket.as_raw_fd(), request, argument as *mut T) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_masks() {
        assert_eq!(parse_address("10.0.0.2/30").unwrap(), (Ipv4Addr::new(10, 0, 0, 2), 30));
        assert!(parse_address("10.0.0.2/33").is_err() && parse_address("x/8").is_err());
        assert_eq!(netmask(30), Ipv4Addr::new(255, 255, 255, 252));
        assert_eq!((netmask(0), netmask(32)), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
    }
}
