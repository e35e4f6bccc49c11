// Fetches all URLs of its command line at once, as a crawler or a health checker does.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

func main() {
	var got int64
	var all sync.WaitGroup
	for _, place := range os.Args[1:] {
		all.Add(1)
		go func(place string) {
			defer all.Done()
			answer, err := http.Get(place)
			if err == nil {
				_, err = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "error:", err)
				return
			}
			atomic.AddInt64(&got, 1)
		}(place)
	}
	all.Wait()
	fmt.Println(got)
}
