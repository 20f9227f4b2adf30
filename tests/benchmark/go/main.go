// The loop of an extension on Go's standard library, as extensions in Go are written: register, ask, log, until SHUTDOWN.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

type event struct {
	EventType          string `json:"eventType"`
	DeadlineMs         int64  `json:"deadlineMs"`
	RequestID          string `json:"requestId"`
	InvokedFunctionArn string `json:"invokedFunctionArn"`
	ShutdownReason     string `json:"shutdownReason"`
	Tracing            struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"tracing"`
}

func main() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension/"
	// No timeout: the answer to a question for the next event may take hours.
	client := &http.Client{}

	registration := ask(client, http.MethodPost, base+"register", `{"events":["INVOKE","SHUTDOWN"]}`,
		"Lambda-Extension-Name", filepath.Base(os.Args[0]), nil)
	id := registration.Get("Lambda-Extension-Identifier")
	for {
		var next event
		ask(client, http.MethodGet, base+"event/next", "", "Lambda-Extension-Identifier", id, &next)
		if next.EventType == "SHUTDOWN" {
			fmt.Println("SHUTDOWN", next.ShutdownReason)
			return
		}
		fmt.Println(next.EventType, next.RequestID, next.InvokedFunctionArn, next.DeadlineMs)
	}
}

// ask sends one request with one header, and reads the answer into what is given.
func ask(client *http.Client, method, url, body, header, value string, into any) http.Header {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		log.Fatalf("%s: %v", url, err)
	}
	request.Header.Set(header, value)
	answer, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s", url, answer.Status)
	}
	// Whole, or the connection would not be used again.
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatalf("%s: %v", url, err)
	}
	if into != nil {
		if err := json.Unmarshal(read, into); err != nil {
			log.Fatalf("%s: %v", url, err)
		}
	}
	return answer.Header
}
