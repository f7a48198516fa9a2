// Renders the templates of a chart with the library that Helm uses (text/template), and with those of
// Helm's functions that our charts call. Standard input: {"directory", "values", "chart", "release"}; standard
// output: the rendered files, as JSON by name. YAML is read and written by the caller; JSON is YAML.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

type task struct {
	Directory string
	Values    map[string]any
	Chart     map[string]any
	Release   map[string]any
}

func main() {
	var given task
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		stop(err)
	}
	files, err := filepath.Glob(filepath.Join(given.Directory, "templates", "*"))
	if err != nil {
		stop(err)
	}
	all := template.New("chart").Option("missingkey=error")
	all.Funcs(functions(all))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			stop(err)
		}
		if _, err := all.New(filepath.Base(file)).Parse(string(text)); err != nil {
			stop(err)
		}
	}
	data := map[string]any{"Values": given.Values, "Chart": given.Chart, "Release": given.Release}
	rendered := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out bytes.Buffer
		if err := all.ExecuteTemplate(&out, name, data); err != nil {
			stop(err)
		}
		rendered[name] = out.String()
	}
	json.NewEncoder(os.Stdout).Encode(rendered)
}

func functions(all *template.Template) template.FuncMap {
	return template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var out bytes.Buffer
			err := all.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
		"nindent": func(spaces int, text string) string {
			pad := strings.Repeat(" ", spaces)
			return "\n" + pad + strings.ReplaceAll(text, "\n", "\n"+pad)
		},
		"toYaml": func(value any) (string, error) {
			out, err := json.Marshal(value)
			return string(out), err
		},
		"quote":     func(value any) string { return strconv.Quote(fmt.Sprint(value)) },
		"upper":     strings.ToUpper,
		"sha256sum": func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) },
		"int":       whole,
		"list":      func(values ...any) []any { return values },
		"until": func(count int) []int {
			made := make([]int, count)
			for at := range made {
				made[at] = at
			}
			return made
		},
		"has": func(value any, among []any) bool {
			for _, one := range among {
				if one == value {
					return true
				}
			}
			return false
		},
		"fail": func(text string) (string, error) { return "", errors.New(text) },
	}
}

func whole(value any) int {
	switch number := value.(type) {
	case float64:
		return int(number)
	case int:
		return number
	}
	return 0
}

func stop(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
