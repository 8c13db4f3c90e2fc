package cloudsim

import (
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/cloudsim/cloudapi"
)

// maxBody is more than any of the APIs takes.
const maxBody = 1 << 20

// serve tells the APIs apart, authenticates, and hands the call on.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	if !c.enter() {
		panic(http.ErrAbortHandler)
	}
	defer c.handling.Done()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body can't be read", http.StatusBadRequest)
		return
	}
	if r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(r.Header.Get("Authorization"), "AWS4") {
		c.serveAWS(w, r, body)
		return
	}
	c.serveAlibaba(w, r, body)
}

// alibabaVersions tells Alibaba Cloud's APIs apart: requests name no product.
var alibabaVersions = map[string]string{alibabakms.Version2016: AlibabaKMS, apsarards.Version2014: AlibabaRDS}

func (c *Cloud) serveAlibaba(w http.ResponseWriter, r *http.Request, body []byte) {
	id := uuid()
	request := alibaba.Parse(r, body, c.defaultRegion)
	api := alibabaVersions[request.Version]
	line := Request{
		Time: c.clock(), API: api, Action: request.Action, Region: request.Region, AccessKey: request.AccessKey,
	}
	credential, failure := c.alibaba.Authenticate(request, line.Time)
	if failure == nil && api == "" {
		failure = alibaba.UnknownAPI()
	}
	if failure != nil {
		c.refuse(w, line, failure.Reply(id))
		return
	}
	call := cloudapi.NewCall(credential)
	call.API, call.Action, call.Region, call.Params, call.RequestID = api, request.Action, request.Region,
		request.Params, id
	c.carryOut(w, call)
}

// refuse answers a request that does not get as far as its API.
func (c *Cloud) refuse(w http.ResponseWriter, line Request, reply cloudapi.Reply) {
	line.Status, line.Code = reply.Status, reply.Code
	c.log.add(line)
	write(w, reply)
}

// carryOut runs an authenticated call through hooks, faults and its API, and answers it.
func (c *Cloud) carryOut(w http.ResponseWriter, call *cloudapi.Call) {
	door := c.apis[call.API]
	line := Request{
		Time: c.clock(), API: call.API, Action: call.Action, Region: call.Region, Account: call.Account,
		AccessKey: call.AccessKey, Resource: door.api.Resource(call), Params: door.api.Shown(call),
	}
	c.values.add(door.api.Value(call))
	faults := c.faults.hit(line)
	faults.announce()
	line.Faults = faults.kinds()
	call.Stale = faults.staleness()

	if !faults.hold(Slow, c.closing) {
		panic(http.ErrAbortHandler)
	}
	if faults.has(CloseBefore) {
		c.log.add(line)
		panic(http.ErrAbortHandler)
	}
	if failure, ok := faults.refusal(); ok {
		c.refuse(w, line, door.api.Fail(call, failure))
		return
	}
	if c.quotas.exceeded(line) {
		c.refuse(w, line, door.api.Fail(call, cloudapi.Throttled))
		return
	}
	if c.hooks.runBefore(line) == Drop {
		c.log.add(line)
		panic(http.ErrAbortHandler)
	}
	line, reply := c.apply(door, call, line)
	c.hooks.runAfter(line)
	if !faults.hold(SlowAnswer, c.closing) || faults.has(CloseAfter) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case faults.has(ErrorAfter):
		reply = door.api.Fail(call, cloudapi.Internal)
	case faults.has(Malformed):
		reply = malformed(reply)
	}
	write(w, reply)
}

// apply carries the call out and logs it, one call of an API at a time.
func (c *Cloud) apply(d *door, call *cloudapi.Call, line Request) (Request, cloudapi.Reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	call.Now = c.clock()
	reply := d.api.Serve(call)
	line.Time, line.Status, line.Code, line.Applied = call.Now, reply.Status, reply.Code, reply.OK()
	line.Permissions = call.Needed()
	return c.log.add(line), reply
}

func write(w http.ResponseWriter, reply cloudapi.Reply) {
	maps.Copy(w.Header(), reply.Header)
	w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
	w.WriteHeader(reply.Status)
	// The client may have gone; there is nobody to tell.
	_, _ = w.Write(reply.Body)
}

// uuid makes an id for a request.
func uuid() string {
	var b [16]byte
	// Never fails, as documented.
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// inOrder gives the hooks in the order in which they were added.
func inOrder[H any](h *hookList, hooks map[int]H) []H {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []H
	for _, id := range slices.Sorted(maps.Keys(hooks)) {
		list = append(list, hooks[id])
	}
	return list
}
