// A peer that shares no code with Sealmatch: Go's sumdb/note and sumdb/tlog check what we make,
// and make what we check. It reads a JSON list of tasks and writes a JSON list of answers.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type task struct {
	Op        string            `json:"op"`
	Text      string            `json:"text"`
	Vkeys     []string          `json:"vkeys"`
	Witnesses []string          `json:"witnesses"`
	Quorum    int               `json:"quorum"`
	Skey      string            `json:"skey"`
	Origin    string            `json:"origin"`
	Entry     []byte            `json:"entry"`
	Entries   [][]byte          `json:"entries"`
	Index     int64             `json:"index"`
	Old       int64             `json:"old"`
	OldRoot   []byte            `json:"oldRoot"`
	Size      int64             `json:"size"`
	Root      []byte            `json:"root"`
	Path      [][]byte          `json:"path"`
	Tiles     map[string][]byte `json:"tiles"`
}

type answer struct {
	Error  string   `json:"error"`
	Text   string   `json:"text,omitempty"`
	Names  []string `json:"names,omitempty"`
	Root   []byte   `json:"root,omitempty"`
	Path   [][]byte `json:"path,omitempty"`
	Hashes [][]byte `json:"hashes,omitempty"`
}

func main() {
	var tasks []task
	if err := json.NewDecoder(os.Stdin).Decode(&tasks); err != nil {
		panic(err)
	}
	answers := []answer{}
	for _, t := range tasks {
		a, err := run(t)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		answers = append(answers, a)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

func run(t task) (answer, error) {
	switch t.Op {
	case "open":
		return open(t)
	case "sign":
		return sign(t)
	case "proof":
		return proof(t)
	case "inclusion":
		return answer{}, tlog.CheckRecord(hashes(t.Path), t.Size, hash(t.Root), t.Index, tlog.RecordHash(t.Entry))
	case "consistency":
		return answer{}, tlog.CheckTree(hashes(t.Path), t.Size, hash(t.Root), t.Old, hash(t.OldRoot))
	case "tree":
		return tree(t)
	case "tiles":
		return tiles(t)
	}
	return answer{}, errors.New("unknown op")
}

func open(t task) (answer, error) {
	verifiers, err := verifiersOf(t.Vkeys)
	if err != nil {
		return answer{}, err
	}
	n, err := note.Open([]byte(t.Text), note.VerifierList(verifiers...))
	if err != nil {
		return answer{}, err
	}
	names := []string{}
	for _, s := range n.Sigs {
		names = append(names, s.Name)
	}
	return answer{Text: n.Text, Names: names}, nil
}

func sign(t task) (answer, error) {
	signer, err := note.NewSigner(t.Skey)
	if err != nil {
		return answer{}, err
	}
	signed, err := note.Sign(&note.Note{Text: t.Text}, signer)
	return answer{Text: string(signed)}, err
}

// proof checks a C2SP tlog-proof as the specification's four steps say.
func proof(t task) (answer, error) {
	head, checkpoint, found := strings.Cut(t.Text, "\n\n")
	if !found {
		return answer{}, errors.New("no checkpoint")
	}
	lines := strings.Split(head, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" || len(lines) < 2 {
		return answer{}, errors.New("no header")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return answer{}, err
	}
	var path tlog.RecordProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return answer{}, err
		}
		path = append(path, h)
	}
	logs, err := verifiersOf(t.Vkeys)
	if err != nil {
		return answer{}, err
	}
	n, err := note.Open([]byte(checkpoint), note.VerifierList(logs...))
	if err != nil {
		return answer{}, err
	}
	body := strings.Split(n.Text, "\n")
	if len(body) != 4 || body[0] != t.Origin {
		return answer{}, errors.New("another origin")
	}
	size, err := strconv.ParseInt(body[1], 10, 64)
	if err != nil {
		return answer{}, err
	}
	root, err := tlog.ParseHash(body[2])
	if err != nil {
		return answer{}, err
	}
	if t.Quorum > 0 {
		witnesses, err := verifiersOf(t.Witnesses)
		if err != nil {
			return answer{}, err
		}
		n, err = note.Open([]byte(checkpoint), note.VerifierList(witnesses...))
		if err != nil {
			return answer{}, err
		}
		if len(n.Sigs) < t.Quorum {
			return answer{}, errors.New("too few witnesses")
		}
	}
	return answer{}, tlog.CheckRecord(path, size, root, index, tlog.RecordHash(t.Entry))
}

// tree grows a tree from records and proves one of them, and an earlier size.
func tree(t task) (answer, error) {
	stored := []tlog.Hash{}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := []tlog.Hash{}
		for _, i := range indexes {
			found = append(found, stored[i])
		}
		return found, nil
	})
	for n, entry := range t.Entries {
		more, err := tlog.StoredHashes(int64(n), entry, reader)
		if err != nil {
			return answer{}, err
		}
		stored = append(stored, more...)
	}
	return prove(t, int64(len(t.Entries)), reader)
}

// tiles computes root and proofs from a log's tiles alone, checking them against the root.
func tiles(t task) (answer, error) {
	reader := tlog.TileHashReader(tlog.Tree{N: t.Size, Hash: hash(t.Root)}, served(t.Tiles))
	return prove(t, t.Size, reader)
}

func prove(t task, size int64, reader tlog.HashReader) (answer, error) {
	root, err := tlog.TreeHash(size, reader)
	if err != nil {
		return answer{}, err
	}
	inclusion, err := tlog.ProveRecord(size, t.Index, reader)
	if err != nil {
		return answer{}, err
	}
	consistency, err := tlog.ProveTree(size, t.Old, reader)
	if err != nil {
		return answer{}, err
	}
	return answer{Root: root[:], Path: raw(inclusion), Hashes: raw(consistency)}, nil
}

// served is a log's tiles by the paths of C2SP, which leave out the height.
type served map[string][]byte

func (s served) Height() int { return 8 }

func (s served) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	found := [][]byte{}
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, ok := s[path]
		if !ok {
			return nil, fmt.Errorf("no tile %s", path)
		}
		found = append(found, data)
	}
	return found, nil
}

func (s served) SaveTiles([]tlog.Tile, [][]byte) {}

func verifiersOf(vkeys []string) ([]note.Verifier, error) {
	verifiers := []note.Verifier{}
	for _, vkey := range vkeys {
		v, err := verifierOf(vkey)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, v)
	}
	return verifiers, nil
}

// verifierOf adds the witnesses' signature type 0x04 to the one that package note has.
func verifierOf(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("not a vkey")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	if len(key) == 0 || key[0] != 4 {
		return note.NewVerifier(vkey)
	}
	if len(key) != 1+ed25519.PublicKeySize {
		return nil, errors.New("not an Ed25519 key")
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return witness{parts[0], binary.BigEndian.Uint32(id[:4]), key[1:]}, nil
}

type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.id }

func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(sig[:8])
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, msg)
	return ed25519.Verify(w.key, []byte(signed), sig[8:])
}

func hash(data []byte) (h tlog.Hash) {
	copy(h[:], data)
	return h
}

func hashes(data [][]byte) []tlog.Hash {
	found := []tlog.Hash{}
	for _, d := range data {
		found = append(found, hash(d))
	}
	return found
}

func raw(given []tlog.Hash) [][]byte {
	found := [][]byte{}
	for _, h := range given {
		found = append(found, append([]byte{}, h[:]...))
	}
	return found
}
