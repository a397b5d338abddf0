// Package systemd tells the service manager how the daemon is: the datagram protocol of sd_notify(3), for units with
// Type=notify and WatchdogSec. Outside systemd every call is a no-op.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// States for Notify.
const (
	Ready    = "READY=1"    // Started, and serving.
	Stopping = "STOPPING=1" // Shutting down in order.

	watchdog = "WATCHDOG=1"
)

// Notify sends a state to the service manager named by NOTIFY_SOCKET.
func Notify(state string) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	_, err = conn.Write([]byte(state))
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}

// Watchdog tells the service manager that the daemon lives, twice in each of its watchdog's periods, for as long as alive
// returns nil. It returns nil when ctx ends and at once if no watchdog listens. An error of alive is returned, and the
// watchdog then ends the process: alive should judge the process (can it still answer itself?), not the services it uses,
// for a restart does not mend those.
func Watchdog(ctx context.Context, alive func(context.Context) error) error {
	period, err := watchdogPeriod()
	if err != nil || period == 0 {
		return err
	}
	tick := time.NewTicker(period / 2)
	defer tick.Stop()
	for {
		if err := checkAlive(ctx, period/2, alive); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("watchdog: %w", err)
		}
		if err := Notify(watchdog); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func checkAlive(ctx context.Context, limit time.Duration, alive func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return alive(ctx)
}

// watchdogPeriod reads the period that the unit file sets; 0 means that nobody listens to this process.
func watchdogPeriod() (time.Duration, error) {
	text := os.Getenv("WATCHDOG_USEC")
	if text == "" {
		return 0, nil
	}
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	micros, err := strconv.ParseInt(text, 10, 64)
	if err != nil || micros <= 1 {
		return 0, fmt.Errorf("WATCHDOG_USEC is %q, which is no number of microseconds", text)
	}
	return time.Duration(micros) * time.Microsecond, nil
}
