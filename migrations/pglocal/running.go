package pglocal

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
)

// ErrNotRunning: no server runs on the directory.
var ErrNotRunning = errors.New("no service runs on the data directory")

// RunningDSN is the address of a database of the server that another process
// runs on dir, as the service's own role: for command line tools beside the
// running service. It returns ErrNotRunning if nothing answers there.
func RunningDSN(dir, db string) (string, error) {
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return "", fmt.Errorf("pglocal: %w: %w", ErrNotRunning, err)
	}
	who, err := chooseAccount(filepath.Join(real, "postgres"))
	if err != nil {
		return "", fmt.Errorf("pglocal: %w", err)
	}
	socket := socketDir(real, who.uid)
	conn, err := net.Dial("unix", filepath.Join(socket, socketName))
	if err != nil {
		return "", fmt.Errorf("pglocal: %w: start it with: unioncard run --data %s (%w)", ErrNotRunning, dir, err)
	}
	return dsn(socket, roleService, db), conn.Close()
}
