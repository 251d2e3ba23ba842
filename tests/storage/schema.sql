CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE audit_heads (
	name TEXT NOT NULL, 
	sealed BLOB NOT NULL, 
	PRIMARY KEY (name)
);

CREATE TABLE hooks (
	hook_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	token_digest BLOB, 
	created_at INTEGER NOT NULL, 
	disposed_at INTEGER NOT NULL, 
	key_version INTEGER NOT NULL, 
	mac BLOB NOT NULL, 
	PRIMARY KEY (hook_id), 
	CONSTRAINT hooks_token_key UNIQUE (token_digest)
);

CREATE TABLE key_checks (
	version INTEGER NOT NULL, 
	key_id TEXT NOT NULL, 
	check_value BLOB NOT NULL, 
	created_at INTEGER NOT NULL, retired_at INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (version)
);

CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);

CREATE TABLE plugin_values (
	plugin TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value BLOB NOT NULL, 
	updated_at INTEGER NOT NULL, 
	PRIMARY KEY (plugin, owner, "key")
);

CREATE TABLE run_events (
	run_id TEXT NOT NULL, 
	"index" INTEGER NOT NULL, 
	event_type TEXT NOT NULL, 
	correlation_id TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	sealed BLOB NOT NULL, 
	PRIMARY KEY (run_id, "index")
);

CREATE TABLE runs (
	run_id TEXT NOT NULL, 
	execution_id TEXT NOT NULL, 
	workflow_id TEXT NOT NULL, 
	workflow_name TEXT NOT NULL, 
	workflow_owner TEXT NOT NULL, 
	trigger_index INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	module TEXT NOT NULL, 
	backend TEXT NOT NULL, 
	insecure INTEGER NOT NULL, 
	binary_sha256 TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	started_at INTEGER NOT NULL, 
	finished_at INTEGER NOT NULL, 
	request_digest BLOB NOT NULL, 
	head_index INTEGER NOT NULL, 
	head_tag BLOB NOT NULL, 
	input_bytes INTEGER NOT NULL, 
	output_bytes INTEGER NOT NULL, 
	error_code TEXT NOT NULL, 
	key_version INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	mac BLOB NOT NULL, parent_run_id TEXT DEFAULT '' NOT NULL, wake_at INTEGER, assurance TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (run_id), 
	CONSTRAINT runs_event_key UNIQUE (workflow_id, trigger_index, event_id)
);

CREATE TABLE seen_events (
	workflow_id TEXT NOT NULL, 
	trigger_index INTEGER NOT NULL, 
	event_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	expires_at INTEGER NOT NULL, 
	PRIMARY KEY (workflow_id, trigger_index, event_id)
);

CREATE TABLE stream_chunks (
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"index" INTEGER NOT NULL, 
	written_by TEXT NOT NULL, 
	final INTEGER NOT NULL, 
	created_at INTEGER NOT NULL, 
	sealed BLOB NOT NULL, 
	PRIMARY KEY (run_id, name, "index"), 
	CONSTRAINT stream_chunks_writer_key UNIQUE (run_id, name, written_by)
);

CREATE TABLE workflow_binaries (
	binary_sha256 TEXT NOT NULL, 
	workflow BLOB NOT NULL, 
	PRIMARY KEY (binary_sha256)
);

CREATE TABLE workflow_specs (
	workflow_id TEXT NOT NULL, 
	workflow_owner TEXT NOT NULL, 
	workflow_name TEXT NOT NULL, 
	workflow_tag TEXT NOT NULL, 
	status TEXT NOT NULL, 
	workflow TEXT NOT NULL, 
	binary_sha256 TEXT NOT NULL, 
	binary_bytes INTEGER NOT NULL, 
	encoding TEXT NOT NULL, 
	binary_url TEXT NOT NULL, 
	config_url TEXT NOT NULL, 
	config BLOB NOT NULL, 
	spec_type TEXT NOT NULL, 
	subscriptions BLOB NOT NULL, 
	sdk_label TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	updated_at INTEGER NOT NULL, 
	registered_at INTEGER NOT NULL, 
	source TEXT NOT NULL, 
	key_version INTEGER NOT NULL, 
	mac BLOB NOT NULL, attributes BLOB DEFAULT (x'') NOT NULL, 
	PRIMARY KEY (workflow_id)
);

CREATE INDEX hooks_by_run ON hooks (run_id, hook_id);

CREATE INDEX run_events_by_correlation ON run_events (correlation_id, run_id, "index") WHERE length(correlation_id) > 20;

CREATE INDEX runs_by_execution ON runs (execution_id);

CREATE INDEX runs_by_owner ON runs (workflow_owner, created_at, run_id);

CREATE INDEX runs_by_time ON runs (created_at, run_id);

CREATE INDEX runs_by_workflow ON runs (workflow_id, created_at, run_id);

CREATE INDEX runs_unfinished ON runs (created_at, run_id) WHERE status IN ('pending', 'running', 'waiting');

CREATE INDEX seen_events_by_expiry ON seen_events (expires_at);

CREATE INDEX workflow_specs_by_binary ON workflow_specs (binary_sha256);

CREATE INDEX workflow_specs_by_name ON workflow_specs (workflow_owner, workflow_name, created_at, workflow_id);

CREATE INDEX workflow_specs_by_time ON workflow_specs (created_at, workflow_id);

