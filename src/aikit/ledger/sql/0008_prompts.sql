-- Prompts: published versions that never change, labels as a history of moves, and what eval gates said.

-- prompt_versions: each version that was published, whole; its hash is of this very text --
CREATE TABLE aikit.prompt_versions (
    name text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    sha256 text NOT NULL CHECK (sha256 = encode(sha256(convert_to(source, 'UTF8')), 'hex')),
    source text NOT NULL,
    parent integer,  -- the version that it was made from
    published_at timestamptz NOT NULL DEFAULT now(),
    published_by text NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE UNIQUE INDEX prompt_versions_by_content ON aikit.prompt_versions (name, version, sha256);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.prompt_versions
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.prompt_versions EXECUTE FUNCTION aikit.refuse_change();

-- prompt_moves: who moved which label from which version to which, when and why --
-- They are made one at a time (advisory lock 7206071, 3), so that the highest `seq` tells whether there is a new one.
CREATE TABLE aikit.prompt_moves (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    name text NOT NULL,
    label text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('promote', 'rollback')),
    was integer,  -- null: the label was new
    version integer NOT NULL,
    sha256 text NOT NULL,
    forced boolean NOT NULL DEFAULT false,  -- although no eval gate had passed for this content
    who text NOT NULL,
    why text,
    CHECK (NOT forced OR why IS NOT NULL),
    FOREIGN KEY (name, version, sha256) REFERENCES aikit.prompt_versions (name, version, sha256)
);
CREATE INDEX prompt_moves_by_label ON aikit.prompt_moves (name, label, seq);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.prompt_moves
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.prompt_moves EXECUTE FUNCTION aikit.refuse_change();

-- prompt_labels: where each label points now --
CREATE VIEW aikit.prompt_labels AS
    SELECT DISTINCT ON (name, label) name, label, version, sha256, at AS since, who, why, forced, seq
    FROM aikit.prompt_moves ORDER BY name, label, seq DESC;

-- prompt_gates: what an eval gate said of exactly this content, published or not; the newest result of a suite counts --
CREATE TABLE aikit.prompt_gates (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL,
    version integer NOT NULL,
    sha256 text NOT NULL,
    suite text NOT NULL,
    passed boolean NOT NULL,
    run jsonb NOT NULL,
    who text NOT NULL
);
CREATE INDEX prompt_gates_by_content ON aikit.prompt_gates (name, sha256, suite, seq);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit.prompt_gates
    FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON aikit.prompt_gates EXECUTE FUNCTION aikit.refuse_change();
