package shop

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cutter stands between shop and database and can cut the network: bytes then
// vanish into it without an error on either side, as in a partition.
type cutter struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	healed  *sync.Cond
	isCut   bool
	closing bool
	conns   []net.Conn
}

func startCutter(t *testing.T, target string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: listener, target: target}
	c.healed = sync.NewCond(&c.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.carry(near, &all) })
		}
	})
	t.Cleanup(func() {
		c.mu.Lock()
		c.closing = true
		c.healed.Broadcast()
		c.mu.Unlock()
		listener.Close()
		c.mu.Lock()
		for _, conn := range c.conns {
			conn.Close()
		}
		c.mu.Unlock()
		all.Wait()
	})
	return c
}

func (c *cutter) address() string { return c.listener.Addr().String() }

func (c *cutter) set(isCut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = isCut
	c.healed.Broadcast()
}

// hold waits while the network is cut.
func (c *cutter) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.isCut && !c.closing {
		c.healed.Wait()
	}
}

func (c *cutter) carry(near net.Conn, all *sync.WaitGroup) {
	defer near.Close()
	c.hold()
	far, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	c.mu.Lock()
	c.conns = append(c.conns, near, far)
	closing := c.closing
	c.mu.Unlock()
	if closing {
		far.Close()
		return
	}
	all.Go(func() { c.copy(near, far) })
	c.copy(far, near)
}

func (c *cutter) copy(to io.WriteCloser, from io.Reader) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.hold()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
