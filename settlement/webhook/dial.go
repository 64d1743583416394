package webhook

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// errAddress: the target lies in no public network.
var errAddress = errors.New("webhook: not a public address")

// closedNetworks are networks within the global unicast space that lead inside, to no host,
// or around the check (IANA special-purpose registries; RFC 6890 and after).
var closedNetworks = func() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"168.63.129.16/32", // a cloud's inner services under a public number
		// Of 2000::/3, outside which nothing is taken: Teredo, ORCHID and other special
		// ones, documentation, 6to4.
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}()

var globalV6 = netip.MustParsePrefix("2000::/3")

// public reports whether an address may be sent to.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.Zone() != "" || addr.Is6() && !globalV6.Contains(addr) {
		return false
	}
	for _, p := range closedNetworks {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// dialer connects to public addresses only. The check is made on the very address
// of the connection, after DNS, so a name that answers differently the second time
// gains nothing.
func dialer(private bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 5 * time.Second}
	if !private {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !public(at.Addr()) {
				return errAddress
			}
			return nil
		}
	}
	return d.DialContext
}
