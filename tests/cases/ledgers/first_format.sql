BEGIN TRANSACTION;
CREATE TABLE activity_records (
	enterprise VARCHAR(18) NOT NULL, 
	record_id VARCHAR(80) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	subject VARCHAR(64) NOT NULL, 
	start_day VARCHAR(10) NOT NULL, 
	end_day VARCHAR(10) NOT NULL, 
	amount_u BIGINT NOT NULL, 
	unit VARCHAR(16) NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	received_at_ms BIGINT NOT NULL, 
	note TEXT DEFAULT '' NOT NULL, supersedes VARCHAR(80) DEFAULT '' NOT NULL, evidence VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_activity_records PRIMARY KEY (enterprise, record_id)
);
INSERT INTO "activity_records" VALUES('91350505M00000019R','b1','source','billets','2026-10-05','2026-10-07',9000000,'t','31718f4063e61e410b3b565cd2cd6dce4cf374fd46ebbbc779864b16c000e339',1795346133694,'','','');
CREATE TABLE adjustment_decisions (
	enterprise VARCHAR(18) NOT NULL, 
	number INTEGER NOT NULL, 
	decision VARCHAR(12) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	why TEXT NOT NULL, 
	CONSTRAINT pk_adjustment_decisions PRIMARY KEY (enterprise, number, decision)
);
CREATE TABLE adjustments (
	enterprise VARCHAR(18) NOT NULL, 
	number INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	activity VARCHAR(64) NOT NULL, 
	scope INTEGER NOT NULL, 
	stage VARCHAR(16) NOT NULL, 
	category INTEGER NOT NULL, 
	unit VARCHAR(16) NOT NULL, 
	emission_g BIGINT NOT NULL, 
	energy_gce BIGINT NOT NULL, 
	author VARCHAR(200) NOT NULL, 
	why TEXT NOT NULL, 
	evidence VARCHAR(64) NOT NULL, 
	needs_approval BOOLEAN NOT NULL, 
	at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_adjustments PRIMARY KEY (enterprise, number)
);
CREATE TABLE agent_configs (
	enterprise VARCHAR(18) NOT NULL, 
	agent VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	sealed BLOB NOT NULL, 
	made_at_ms BIGINT NOT NULL, 
	made_by VARCHAR(160) NOT NULL, 
	outcome VARCHAR(16) DEFAULT '' NOT NULL, 
	why TEXT DEFAULT '' NOT NULL, 
	decided_at_ms BIGINT, 
	CONSTRAINT pk_agent_configs PRIMARY KEY (enterprise, agent, version)
);
CREATE TABLE agent_status (
	enterprise VARCHAR(18) NOT NULL, 
	agent VARCHAR(64) NOT NULL, 
	received_at_ms BIGINT NOT NULL, 
	online BOOLEAN NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_agent_status PRIMARY KEY (enterprise, agent)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0014');
CREATE TABLE batches (
	enterprise VARCHAR(18) NOT NULL, 
	sender VARCHAR(64) NOT NULL, 
	batch_id VARCHAR(64) NOT NULL, 
	payload_hash VARCHAR(64) NOT NULL, 
	received_at_ms BIGINT NOT NULL, 
	accepted INTEGER NOT NULL, 
	set_aside INTEGER NOT NULL, 
	reasons TEXT NOT NULL, signature VARCHAR(16) DEFAULT '' NOT NULL, key_id VARCHAR(43) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_batches PRIMARY KEY (enterprise, sender, batch_id)
);
CREATE TABLE changes (
	seq BIGINT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	enterprise VARCHAR(18) NOT NULL, 
	period VARCHAR(10) NOT NULL, 
	version INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_changes PRIMARY KEY (seq)
);
INSERT INTO "changes" VALUES(1,'statement','91350505M00000019R','2026-10',1,1791392400000);
INSERT INTO "changes" VALUES(2,'rating','91350505M00000019R','2026-10',1,1791392400000);
INSERT INTO "changes" VALUES(3,'statement','91350583M00000035E','2026-10',1,1791392400000);
INSERT INTO "changes" VALUES(4,'rating','91350583M00000035E','2026-10',1,1791392400000);
INSERT INTO "changes" VALUES(5,'statement','91350505M00000019R','2026',1,1791392400000);
INSERT INTO "changes" VALUES(6,'rating','91350505M00000019R','2026',1,1791392400000);
INSERT INTO "changes" VALUES(7,'statement','91350583M00000035E','2026',1,1791392400000);
INSERT INTO "changes" VALUES(8,'rating','91350583M00000035E','2026',1,1791392400000);
INSERT INTO "changes" VALUES(9,'statement','91350505M00000019R','2026-Q4',1,1791392400000);
INSERT INTO "changes" VALUES(10,'rating','91350505M00000019R','2026-Q4',1,1791392400000);
INSERT INTO "changes" VALUES(11,'statement','91350583M00000035E','2026-Q4',1,1791392400000);
INSERT INTO "changes" VALUES(12,'rating','91350583M00000035E','2026-Q4',1,1791392400000);
INSERT INTO "changes" VALUES(13,'statement','91350505M00000019R','2026-10',1,1791396000000);
INSERT INTO "changes" VALUES(14,'rating','91350505M00000019R','2026-10',1,1791396000000);
INSERT INTO "changes" VALUES(15,'statement','91350505M00000019R','2026',1,1791396000000);
INSERT INTO "changes" VALUES(16,'rating','91350505M00000019R','2026',1,1791396000000);
INSERT INTO "changes" VALUES(17,'statement','91350505M00000019R','2026-Q4',1,1791396000000);
INSERT INTO "changes" VALUES(18,'rating','91350505M00000019R','2026-Q4',1,1791396000000);
CREATE TABLE day_proofs (
	point_id INTEGER NOT NULL, 
	start_ms BIGINT NOT NULL, 
	end_ms BIGINT NOT NULL, 
	readings INTEGER NOT NULL, 
	first_ms BIGINT, 
	last_ms BIGINT, 
	lowest FLOAT, 
	highest FLOAT, 
	digest VARCHAR(64) NOT NULL, 
	enterprise VARCHAR(18) NOT NULL, 
	number INTEGER NOT NULL, 
	CONSTRAINT pk_day_proofs PRIMARY KEY (point_id, start_ms)
);
CREATE TABLE dirty_days (
	enterprise VARCHAR(18) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	reason VARCHAR(24) NOT NULL, 
	touched BIGINT NOT NULL, 
	CONSTRAINT pk_dirty_days PRIMARY KEY (enterprise, source, day)
);
INSERT INTO "dirty_days" VALUES('91350505M00000019R','grid','2026-10-08','late-data',329371131134578260);
INSERT INTO "dirty_days" VALUES('91350583M00000035E','grid','2026-10-08','late-data',329371131134578260);
CREATE TABLE dirty_hours (
	point_id INTEGER NOT NULL, 
	hour_ms BIGINT NOT NULL, 
	touched BIGINT NOT NULL, 
	CONSTRAINT pk_dirty_hours PRIMARY KEY (point_id, hour_ms)
);
CREATE TABLE due_sums (
	enterprise VARCHAR(18) NOT NULL, 
	period VARCHAR(10) NOT NULL, 
	CONSTRAINT pk_due_sums PRIMARY KEY (enterprise, period)
);
CREATE TABLE evidence_files (
	enterprise VARCHAR(18) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	received_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_evidence_files PRIMARY KEY (enterprise, sha256)
);
CREATE TABLE finding_decisions (
	finding_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	status VARCHAR(12) NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	why TEXT NOT NULL, 
	CONSTRAINT pk_finding_decisions PRIMARY KEY (finding_id, number)
);
CREATE TABLE findings (
	id INTEGER NOT NULL, 
	enterprise VARCHAR(18) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	subject VARCHAR(130) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	severity VARCHAR(8) NOT NULL, 
	"values" TEXT NOT NULL, 
	zh TEXT NOT NULL, 
	en TEXT NOT NULL, 
	status VARCHAR(12) NOT NULL, 
	first_seen_ms BIGINT NOT NULL, 
	resolved_at_ms BIGINT, acknowledged_at_ms BIGINT, acknowledged_by VARCHAR(200) DEFAULT '' NOT NULL, acknowledged_why TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_findings PRIMARY KEY (id), 
	CONSTRAINT uq_findings_enterprise_name_subject_at_ms UNIQUE (enterprise, name, subject, at_ms)
);
CREATE TABLE footprints (
	enterprise VARCHAR(18) NOT NULL, 
	product VARCHAR(64) NOT NULL, 
	period VARCHAR(10) NOT NULL, 
	boundary VARCHAR(16) NOT NULL, 
	version INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	body TEXT NOT NULL, 
	signature TEXT NOT NULL, 
	published_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_footprints PRIMARY KEY (enterprise, product, period, boundary, version)
);
CREATE TABLE job_runs (
	job VARCHAR(32) NOT NULL, 
	finished_at_ms BIGINT NOT NULL, 
	duration_s FLOAT NOT NULL, 
	result TEXT NOT NULL, 
	CONSTRAINT pk_job_runs PRIMARY KEY (job)
);
CREATE TABLE leases (
	name VARCHAR(32) NOT NULL, 
	holder VARCHAR(64) NOT NULL, 
	fence BIGINT NOT NULL, 
	expires_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE ledger_entries (
	enterprise VARCHAR(18) NOT NULL, 
	seq INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	activity VARCHAR(64) NOT NULL, 
	scope INTEGER NOT NULL, 
	stage VARCHAR(16) NOT NULL, 
	category INTEGER NOT NULL, 
	amount_u BIGINT NOT NULL, 
	unit VARCHAR(16) NOT NULL, 
	factor VARCHAR(96) NOT NULL, 
	edition VARCHAR(64) NOT NULL, 
	basis VARCHAR(24) NOT NULL, 
	gwp VARCHAR(8) NOT NULL, 
	emission_g BIGINT NOT NULL, 
	energy_gce BIGINT NOT NULL, 
	provisional BOOLEAN NOT NULL, 
	coverage_ppm INTEGER NOT NULL, 
	estimated_ppm INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	calculation TEXT NOT NULL, 
	reason VARCHAR(24) NOT NULL, 
	reverses INTEGER, 
	booked_at_ms BIGINT NOT NULL, 
	previous_hash VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger_entries PRIMARY KEY (enterprise, seq), 
	CONSTRAINT uq_ledger_entries_enterprise_reverses UNIQUE (enterprise, reverses)
);
INSERT INTO "ledger_entries" VALUES('91350505M00000019R',1,'billets','2026-10-05','material.steel_semi_finished',3,'raw_material',4,4500000,'t','material.steel_semi_finished.cbam2026','cbam-defaults-cn-2026','default','',14913000,0,0,1000000,0,'1063da9e6434274b266da3f424c7de70c96522ec964ad4e965981ad7477b1103','{"amount":"4.5","emission_g":"14913000","formula":"AD × EF","note":"Default embedded emission of the good made in China (CBAM, before mark-up), as a stand-in for the supplier''s figure. The source lists 3.169 to 3.314 within the heading; the upper one stands here.","sign":1,"terms":{"EF":{"edition":"cbam-defaults-cn-2026","factor":"material.steel_semi_finished.cbam2026","unit":"tCO2e/t","value":"3.314"}},"unit":"t"}','automatic',NULL,1791392400000,'0000000000000000000000000000000000000000000000000000000000000000','f982ac3ae6c75563744d6a04801770a2bb9aade9b0ebeb99e29ffcd287542f7f');
INSERT INTO "ledger_entries" VALUES('91350505M00000019R',2,'grid','2026-10-05','electricity.purchased',2,'production',2,2416800000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',1282354,297025,1,1000000,0,'c54cf7465b5c01893a33894c7fffd208b6c0c540b62eb8e30a010a3e52ea3163','{"amount":"2416.8","emission_g":"1282354","energy":{"energy_gce":"297025","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','automatic',NULL,1791392400000,'f982ac3ae6c75563744d6a04801770a2bb9aade9b0ebeb99e29ffcd287542f7f','dcfd300d2143be7688a99d7872d5700d742a48fe7ea3e65054536c4baa1e8649');
INSERT INTO "ledger_entries" VALUES('91350505M00000019R',3,'billets','2026-10-06','material.steel_semi_finished',3,'raw_material',4,4500000,'t','material.steel_semi_finished.cbam2026','cbam-defaults-cn-2026','default','',14913000,0,0,1000000,0,'1063da9e6434274b266da3f424c7de70c96522ec964ad4e965981ad7477b1103','{"amount":"4.5","emission_g":"14913000","formula":"AD × EF","note":"Default embedded emission of the good made in China (CBAM, before mark-up), as a stand-in for the supplier''s figure. The source lists 3.169 to 3.314 within the heading; the upper one stands here.","sign":1,"terms":{"EF":{"edition":"cbam-defaults-cn-2026","factor":"material.steel_semi_finished.cbam2026","unit":"tCO2e/t","value":"3.314"}},"unit":"t"}','automatic',NULL,1791392400000,'dcfd300d2143be7688a99d7872d5700d742a48fe7ea3e65054536c4baa1e8649','424762f170d536c8677bfd6b97be0a0de4d6197f79a70b572605fcd04d63cba1');
INSERT INTO "ledger_entries" VALUES('91350505M00000019R',4,'grid','2026-10-06','electricity.purchased',2,'production',2,2416800000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',1282354,297025,1,979166,20833,'31917bea9775cf82bfd35ca42928472001aac1e5ac83ec637682d04c250399e5','{"amount":"2416.8","emission_g":"1282354","energy":{"energy_gce":"297025","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','automatic',NULL,1791392400000,'424762f170d536c8677bfd6b97be0a0de4d6197f79a70b572605fcd04d63cba1','d411935dac58d54ace40197ce68a136fb2dd4228281e97252a06a4592e871410');
INSERT INTO "ledger_entries" VALUES('91350505M00000019R',5,'grid','2026-10-07','electricity.purchased',2,'production',2,2416800000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',1282354,297025,1,1000000,0,'a29ef1a0d5f75f3c13b9f157f9d6ad5de6aba42208546f6182bc9f9c4abab3d7','{"amount":"2416.8","emission_g":"1282354","energy":{"energy_gce":"297025","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','automatic',NULL,1791392400000,'d411935dac58d54ace40197ce68a136fb2dd4228281e97252a06a4592e871410','4e2f813227367327122eade6c244bf8195e9f9f36242b0f633df8543f4bbaf34');
INSERT INTO "ledger_entries" VALUES('91350583M00000035E',1,'grid','2026-10-05','electricity.purchased',2,'production',2,240000000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',127344,29496,1,1000000,0,'51aa3d5e2e38fc3d6386c1c4e746e87743728ea370b470a152020312c83c9598','{"amount":"240","emission_g":"127344","energy":{"energy_gce":"29496","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','automatic',NULL,1791392400000,'0000000000000000000000000000000000000000000000000000000000000000','47185976eb7f322ab087edb58a2fe693156d95560ce60da0019f2380dc590f4e');
INSERT INTO "ledger_entries" VALUES('91350583M00000035E',2,'grid','2026-10-06','electricity.purchased',2,'production',2,240000000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',127344,29496,1,1000000,0,'2679db32f2f371d56c32735221fd4c954189cd8628739d6f5d0b8c560c921c15','{"amount":"240","emission_g":"127344","energy":{"energy_gce":"29496","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','automatic',NULL,1791392400000,'47185976eb7f322ab087edb58a2fe693156d95560ce60da0019f2380dc590f4e','6e511fa859ae1d00d51c3e484993e9f5574db25775f19287308d356363c921f7');
INSERT INTO "ledger_entries" VALUES('91350583M00000035E',3,'grid','2026-10-07','electricity.purchased',2,'production',2,240000000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',127344,29496,1,1000000,0,'27fc34004459e1134ee28078372acebd33b7ce5ea3e4c15b95fbc4a24c1fdad9','{"amount":"240","emission_g":"127344","energy":{"energy_gce":"29496","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','automatic',NULL,1791392400000,'6e511fa859ae1d00d51c3e484993e9f5574db25775f19287308d356363c921f7','8107f51594fccd8ef9e4e97fe4dad111b501a20218d5e777cc5b13f90993a751');
INSERT INTO "ledger_entries" VALUES('91350505M00000019R',6,'grid','2026-10-06','electricity.purchased',2,'production',2,-2416800000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',-1282354,-297025,1,979166,20833,'31917bea9775cf82bfd35ca42928472001aac1e5ac83ec637682d04c250399e5','{"amount":"2416.8","emission_g":"1282354","energy":{"energy_gce":"297025","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','late-data',4,1791396000000,'4e2f813227367327122eade6c244bf8195e9f9f36242b0f633df8543f4bbaf34','68f2e4cb0afa8fd0fb915c736dbcfa4c95b97bf715fe17354aa53ec8086291a1');
INSERT INTO "ledger_entries" VALUES('91350505M00000019R',7,'grid','2026-10-06','electricity.purchased',2,'production',2,2416800000,'kWh','grid.national.2023','mee-nbs-grid-2023','older_edition','',1282354,297025,1,1000000,0,'bd3d68bee55ecd55803486b0ff670d4fc11abeba0d7170652bb940e6df33c66d','{"amount":"2416.8","emission_g":"1282354","energy":{"energy_gce":"297025","formula":"AD × SC","terms":{"SC":{"edition":"gbt2589-2020","factor":"coal_equivalent.electricity","unit":"kgce/kWh","value":"0.1229"}}},"formula":"AD × EF","sign":1,"terms":{"EF":{"edition":"mee-nbs-grid-2023","factor":"grid.national.2023","unit":"kgCO2/kWh","value":"0.5306"}},"unit":"kWh"}','late-data',NULL,1791396000000,'68f2e4cb0afa8fd0fb915c736dbcfa4c95b97bf715fe17354aa53ec8086291a1','dd6067ce881617022d5655350c23aea941eff5b9a0667c863693b9fe4423ea7b');
CREATE TABLE ledger_roots (
	day VARCHAR(10) NOT NULL, 
	body TEXT NOT NULL, 
	signature TEXT NOT NULL, 
	made_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_ledger_roots PRIMARY KEY (day)
);
CREATE TABLE ledger_spans (
	enterprise VARCHAR(18) NOT NULL, 
	last_seq INTEGER NOT NULL, 
	first_seq INTEGER NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	leaf VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger_spans PRIMARY KEY (enterprise, last_seq)
);
CREATE TABLE points (
	point_id INTEGER NOT NULL, 
	enterprise VARCHAR(18) NOT NULL, 
	device VARCHAR(64) NOT NULL, 
	point VARCHAR(64) NOT NULL, 
	quantity VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_points PRIMARY KEY (point_id), 
	CONSTRAINT uq_points_enterprise_device_point UNIQUE (enterprise, device, point)
);
INSERT INTO "points" VALUES(1,'91350505M00000019R','incomer','energy_import','energy_import');
INSERT INTO "points" VALUES(2,'91350505M00000019R','gas','volume','gas_volume_normal');
INSERT INTO "points" VALUES(3,'91350583M00000035E','incomer','energy_import','energy_import');
CREATE TABLE ratings (
	enterprise VARCHAR(18) NOT NULL, 
	period VARCHAR(10) NOT NULL, 
	version INTEGER NOT NULL, 
	colour VARCHAR(8) NOT NULL, 
	body TEXT NOT NULL, 
	updated_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_ratings PRIMARY KEY (enterprise, period, version)
);
INSERT INTO "ratings" VALUES('91350505M00000019R','2026-10',1,'grey','{"colour":"grey","enterprise":"91350505M00000019R","influences":[],"metrics":[],"official":false,"period":"2026-10","policy":"four-colour-demo","reasons":{"en":["Readings cover 21.4% of the period; 90% are needed.","This rating follows a demonstration policy and is no official local rule; benchmarks marked as demo values have no official source."],"zh":["数据覆盖率 21.4%，低于 90%。","本评价按演示政策得出，不是任何地方的官方规则；标明\"演示值\"的基准没有官方出处。"]},"to_next":null,"trend":[],"version":1}',1791396000000);
INSERT INTO "ratings" VALUES('91350583M00000035E','2026-10',1,'grey','{"colour":"grey","enterprise":"91350583M00000035E","influences":[],"metrics":[],"official":false,"period":"2026-10","policy":"four-colour-demo","reasons":{"en":["Readings cover 42.9% of the period; 90% are needed.","This rating follows a demonstration policy and is no official local rule; benchmarks marked as demo values have no official source."],"zh":["数据覆盖率 42.9%，低于 90%。","本评价按演示政策得出，不是任何地方的官方规则；标明\"演示值\"的基准没有官方出处。"]},"to_next":null,"trend":[],"version":1}',1791392400000);
INSERT INTO "ratings" VALUES('91350505M00000019R','2026',1,'grey','{"colour":"grey","enterprise":"91350505M00000019R","influences":[],"metrics":[],"official":false,"period":"2026","policy":"four-colour-demo","reasons":{"en":["Readings cover 21.4% of the period; 90% are needed.","This rating follows a demonstration policy and is no official local rule; benchmarks marked as demo values have no official source."],"zh":["数据覆盖率 21.4%，低于 90%。","本评价按演示政策得出，不是任何地方的官方规则；标明\"演示值\"的基准没有官方出处。"]},"to_next":null,"trend":[],"version":1}',1791396000000);
INSERT INTO "ratings" VALUES('91350583M00000035E','2026',1,'grey','{"colour":"grey","enterprise":"91350583M00000035E","influences":[],"metrics":[],"official":false,"period":"2026","policy":"four-colour-demo","reasons":{"en":["Readings cover 42.9% of the period; 90% are needed.","This rating follows a demonstration policy and is no official local rule; benchmarks marked as demo values have no official source."],"zh":["数据覆盖率 42.9%，低于 90%。","本评价按演示政策得出，不是任何地方的官方规则；标明\"演示值\"的基准没有官方出处。"]},"to_next":null,"trend":[],"version":1}',1791392400000);
INSERT INTO "ratings" VALUES('91350505M00000019R','2026-Q4',1,'grey','{"colour":"grey","enterprise":"91350505M00000019R","influences":[],"metrics":[],"official":false,"period":"2026-Q4","policy":"four-colour-demo","reasons":{"en":["Readings cover 21.4% of the period; 90% are needed.","This rating follows a demonstration policy and is no official local rule; benchmarks marked as demo values have no official source."],"zh":["数据覆盖率 21.4%，低于 90%。","本评价按演示政策得出，不是任何地方的官方规则；标明\"演示值\"的基准没有官方出处。"]},"to_next":null,"trend":[],"version":1}',1791396000000);
INSERT INTO "ratings" VALUES('91350583M00000035E','2026-Q4',1,'grey','{"colour":"grey","enterprise":"91350583M00000035E","influences":[],"metrics":[],"official":false,"period":"2026-Q4","policy":"four-colour-demo","reasons":{"en":["Readings cover 42.9% of the period; 90% are needed.","This rating follows a demonstration policy and is no official local rule; benchmarks marked as demo values have no official source."],"zh":["数据覆盖率 42.9%，低于 90%。","本评价按演示政策得出，不是任何地方的官方规则；标明\"演示值\"的基准没有官方出处。"]},"to_next":null,"trend":[],"version":1}',1791392400000);
CREATE TABLE raw_drops (
	enterprise VARCHAR(18) NOT NULL, 
	number INTEGER NOT NULL, 
	before_ms BIGINT NOT NULL, 
	at_ms BIGINT NOT NULL, 
	proofs INTEGER NOT NULL, 
	proofs_hash VARCHAR(64) NOT NULL, 
	previous_hash VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_raw_drops PRIMARY KEY (enterprise, number)
);
CREATE TABLE rebuilds (
	scope VARCHAR(18) NOT NULL, 
	first_day VARCHAR(10) NOT NULL, 
	last_day VARCHAR(10) NOT NULL, 
	enterprise VARCHAR(18) NOT NULL, 
	next_day VARCHAR(10) NOT NULL, 
	begun_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_rebuilds PRIMARY KEY (scope, first_day, last_day, enterprise)
);
CREATE TABLE registry_documents (
	kind VARCHAR(16) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_registry_documents PRIMARY KEY (kind, id)
);
INSERT INTO "registry_documents" VALUES('park','park','{"area_km2":1.0,"id":"park","name":{"en":"Park","zh":"园区"},"region":"fujian","timezone":"Asia/Shanghai"}');
INSERT INTO "registry_documents" VALUES('enterprise','91350505M00000019R','{"agents":[{"id":"edge-1","public_keys":[]}],"allocation":"mass","balances":[],"consents":[],"derived":[],"devices":[{"id":"incomer","name":null,"points":[{"device":"incomer","gap_max_s":900,"id":"energy_import","modulus":null,"point_id":0,"quantity":"energy_import","rated_per_hour":1000.0}],"profile":null,"rated_power_kw":1000.0},{"id":"gas","name":null,"points":[{"device":"gas","gap_max_s":900,"id":"volume","modulus":1000000.0,"point_id":0,"quantity":"gas_volume_normal","rated_per_hour":null}],"profile":null,"rated_power_kw":null}],"id":"91350505M00000019R","industry":"C3130","method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":""},"name":{"en":"Plant","zh":"厂"},"park":"park","products":[{"cbam_good":null,"fossil_carbon_kg":null,"id":"plate","limits":[],"mass_kg":null,"name":null,"share":null,"traits":{},"unit":"t","value_cny":null}],"quota":{"bytes_per_s":null,"devices":{},"points":null,"readings_per_s":null,"senders":{}},"rating_policy":"four-colour-demo","reconcile_within":"0.02","replacements":[],"require_signed_batches":false,"sources":[{"activity":"electricity.purchased","category":null,"evidence":[],"factor":null,"feeds":[{"device":"incomer","point":"energy_import","share":"1"}],"id":"grid","name":null,"own_values":[],"products":[],"records":false,"scope":2,"stage":"production","unit":null},{"activity":"fuel.natural_gas","category":null,"evidence":[],"factor":null,"feeds":[{"device":"gas","point":"volume","share":"1"}],"id":"burner","name":null,"own_values":[],"products":[],"records":false,"scope":1,"stage":"production","unit":null},{"activity":"material.steel_semi_finished","category":null,"evidence":[],"factor":null,"feeds":[],"id":"billets","name":null,"own_values":[],"products":[],"records":true,"scope":3,"stage":"raw_material","unit":"t"}]}');
INSERT INTO "registry_documents" VALUES('enterprise','91350583M00000035E','{"agents":[{"id":"edge-1","public_keys":[]}],"allocation":"mass","balances":[],"consents":[],"derived":[],"devices":[{"id":"incomer","name":null,"points":[{"device":"incomer","gap_max_s":900,"id":"energy_import","modulus":null,"point_id":0,"quantity":"energy_import","rated_per_hour":null}],"profile":null,"rated_power_kw":null}],"id":"91350583M00000035E","industry":"C3383","method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":""},"name":{"en":"Quiet","zh":"静"},"park":"park","products":[],"quota":{"bytes_per_s":null,"devices":{},"points":null,"readings_per_s":null,"senders":{}},"rating_policy":"four-colour-demo","reconcile_within":"0.02","replacements":[],"require_signed_batches":false,"sources":[{"activity":"electricity.purchased","category":null,"evidence":[],"factor":null,"feeds":[{"device":"incomer","point":"energy_import","share":"1"}],"id":"grid","name":null,"own_values":[],"products":[],"records":false,"scope":2,"stage":"production","unit":null}]}');
CREATE TABLE registry_versions (
	version INTEGER NOT NULL, 
	applied_at_ms BIGINT NOT NULL, 
	diff TEXT NOT NULL, 
	CONSTRAINT pk_registry_versions PRIMARY KEY (version)
);
INSERT INTO "registry_versions" VALUES(1,1795346133611,'+ parks.park
+ enterprises.91350505M00000019R
+ enterprises.91350583M00000035E');
CREATE TABLE reopenings (
	enterprise VARCHAR(18) NOT NULL, 
	period VARCHAR(10) NOT NULL, 
	version INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	why TEXT NOT NULL, 
	CONSTRAINT pk_reopenings PRIMARY KEY (enterprise, period, version)
);
CREATE TABLE rollup_claims (
	enterprise VARCHAR(18) NOT NULL, 
	holder VARCHAR(64) NOT NULL, 
	fence BIGINT NOT NULL, 
	expires_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_rollup_claims PRIMARY KEY (enterprise)
);
CREATE TABLE set_aside (
	id INTEGER NOT NULL, 
	received_at_ms BIGINT NOT NULL, 
	enterprise VARCHAR(64) NOT NULL, 
	sender VARCHAR(160) NOT NULL, 
	batch_id VARCHAR(64) NOT NULL, 
	reason VARCHAR(48) NOT NULL, 
	detail TEXT NOT NULL, 
	count INTEGER NOT NULL, 
	payload BLOB NOT NULL, 
	CONSTRAINT pk_set_aside PRIMARY KEY (id)
);
CREATE TABLE settings_kept (
	"key" VARCHAR(48) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_settings_kept PRIMARY KEY ("key")
);
INSERT INTO "settings_kept" VALUES('rules.91350505M00000019R','{"1": "8e89300342f15363e36addd9bfb6507b6a5150e15854e04c4de22cb9b26c6462", "2": "278e177cc8e45b92c7d75ffad9998bc383cba5e49b0c1af6e12fcd304f16dba4"}');
INSERT INTO "settings_kept" VALUES('rules.91350583M00000035E','{"3": "b5c34b724d37f67d0acbd0f284f4dd81c3b5b29d2d7b65ab4cb41057691401d4"}');
INSERT INTO "settings_kept" VALUES('sources.91350505M00000019R','{"grid": "4079940c42d562e051ed2d2a75e3ef2ce537292b46865a1e3327314f43c1b0aa", "burner": "d0fa7c83fb5a539005a13043b0d57d75bffe704af3671d30fde3166092232d06", "billets": "6656d152347ffac2c9805699b235a7d51681a9af6e04af6efa38ca41d36acb3e"}');
INSERT INTO "settings_kept" VALUES('sources.91350583M00000035E','{"grid": "4079940c42d562e051ed2d2a75e3ef2ce537292b46865a1e3327314f43c1b0aa"}');
INSERT INTO "settings_kept" VALUES('ended.91350505M00000019R','2026-10-08');
INSERT INTO "settings_kept" VALUES('ended.91350583M00000035E','2026-10-08');
CREATE TABLE statements (
	enterprise VARCHAR(18) NOT NULL, 
	period VARCHAR(10) NOT NULL, 
	version INTEGER NOT NULL, 
	status VARCHAR(8) NOT NULL, 
	body TEXT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	signature TEXT DEFAULT '' NOT NULL, 
	predecessor INTEGER, 
	updated_at_ms BIGINT NOT NULL, 
	CONSTRAINT pk_statements PRIMARY KEY (enterprise, period, version)
);
INSERT INTO "statements" VALUES('91350505M00000019R','2026-10',1,'open','{"by_scope":{"1":0.0,"2":3847.062,"3":29826.0},"by_source":[{"activity":"electricity.purchased","amount":7250.4,"basis":"older_edition","emission_kg":3847.062,"energy_kgce":891.075,"factor":"grid.national.2023","quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"scope":2,"source":"grid","stage":"production","unit":"kWh"},{"activity":"material.steel_semi_finished","amount":9.0,"basis":"default","emission_kg":29826.0,"energy_kgce":0.0,"factor":"material.steel_semi_finished.cbam2026","quality":{"activity_score":3.0,"factor_score":4.0,"uncertainty_percent":30.41},"scope":3,"source":"billets","stage":"raw_material","unit":"t"}],"by_stage":{"distribution":0.0,"end_of_life":0.0,"production":3847.062,"raw_material":29826.0,"use":0.0},"compliance_kg":3847.062,"corrections":[],"coverage":0.21428571428571427,"days":7,"energy_kgce":891.075,"enterprise":"91350505M00000019R","estimated_share":0.0,"findings_open":0,"hash":"","last_seq":7,"lifecycle_kg":33673.062,"location_based":{"compliance_kg":3847.062,"lifecycle_kg":33673.062,"scope_2_kg":3847.062},"market_based":{"compliance_kg":3847.062,"lifecycle_kg":33673.062,"scope_2_kg":3847.062},"method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":"national"},"months":[],"notes":["burner: 无分录 / no entries"],"period":"2026-10","predecessor":null,"provisional_share":0.11424746582297743,"quality":{"activity_score":2.77,"factor_score":3.89,"uncertainty_percent":26.96},"reopened":null,"signature":"","status":"open","version":1}','1fcc585a5c7c37690e3e86b95d9bb2aba9153ce5aab79df31c649dbb7223a2dc','',NULL,1791396000000);
INSERT INTO "statements" VALUES('91350583M00000035E','2026-10',1,'open','{"by_scope":{"1":0.0,"2":382.032,"3":0.0},"by_source":[{"activity":"electricity.purchased","amount":720.0,"basis":"older_edition","emission_kg":382.032,"energy_kgce":88.488,"factor":"grid.national.2023","quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"scope":2,"source":"grid","stage":"production","unit":"kWh"}],"by_stage":{"distribution":0.0,"end_of_life":0.0,"production":382.032,"raw_material":0.0,"use":0.0},"compliance_kg":382.032,"corrections":[],"coverage":0.42857142857142855,"days":7,"energy_kgce":88.488,"enterprise":"91350583M00000035E","estimated_share":0.0,"findings_open":0,"hash":"","last_seq":3,"lifecycle_kg":382.032,"location_based":{"compliance_kg":382.032,"lifecycle_kg":382.032,"scope_2_kg":382.032},"market_based":{"compliance_kg":382.032,"lifecycle_kg":382.032,"scope_2_kg":382.032},"method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":"national"},"months":[],"notes":[],"period":"2026-10","predecessor":null,"provisional_share":1.0,"quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"reopened":null,"signature":"","status":"open","version":1}','a541223e52ccf24a57331193c514a893ce4cf851853be2d39e171fa924e3ec50','',NULL,1791392400000);
INSERT INTO "statements" VALUES('91350505M00000019R','2026',1,'open','{"by_scope":{"1":0.0,"2":3847.062,"3":29826.0},"by_source":[{"activity":"electricity.purchased","amount":7250.4,"basis":"older_edition","emission_kg":3847.062,"energy_kgce":891.075,"factor":"grid.national.2023","quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"scope":2,"source":"grid","stage":"production","unit":"kWh"},{"activity":"material.steel_semi_finished","amount":9.0,"basis":"default","emission_kg":29826.0,"energy_kgce":0.0,"factor":"material.steel_semi_finished.cbam2026","quality":{"activity_score":3.0,"factor_score":4.0,"uncertainty_percent":30.41},"scope":3,"source":"billets","stage":"raw_material","unit":"t"}],"by_stage":{"distribution":0.0,"end_of_life":0.0,"production":3847.062,"raw_material":29826.0,"use":0.0},"compliance_kg":3847.062,"corrections":[],"coverage":0.21428571428571427,"days":7,"energy_kgce":891.075,"enterprise":"91350505M00000019R","estimated_share":0.0,"findings_open":0,"hash":"","last_seq":7,"lifecycle_kg":33673.062,"location_based":{"compliance_kg":3847.062,"lifecycle_kg":33673.062,"scope_2_kg":3847.062},"market_based":{"compliance_kg":3847.062,"lifecycle_kg":33673.062,"scope_2_kg":3847.062},"method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":"national"},"months":[{"hash":"1fcc585a5c7c37690e3e86b95d9bb2aba9153ce5aab79df31c649dbb7223a2dc","period":"2026-10","status":"open","version":1}],"notes":["burner: 无分录 / no entries","账户始于 2026-10 / the account begins in 2026-10"],"period":"2026","predecessor":null,"provisional_share":0.11424746582297743,"quality":{"activity_score":2.77,"factor_score":3.89,"uncertainty_percent":26.96},"reopened":null,"signature":"","status":"open","version":1}','082b59dd0c95c0ce1bd59c63cd6817e6b04db9ba659a9ae3bd6292c4428734e3','',NULL,1791396000000);
INSERT INTO "statements" VALUES('91350583M00000035E','2026',1,'open','{"by_scope":{"1":0.0,"2":382.032,"3":0.0},"by_source":[{"activity":"electricity.purchased","amount":720.0,"basis":"older_edition","emission_kg":382.032,"energy_kgce":88.488,"factor":"grid.national.2023","quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"scope":2,"source":"grid","stage":"production","unit":"kWh"}],"by_stage":{"distribution":0.0,"end_of_life":0.0,"production":382.032,"raw_material":0.0,"use":0.0},"compliance_kg":382.032,"corrections":[],"coverage":0.42857142857142855,"days":7,"energy_kgce":88.488,"enterprise":"91350583M00000035E","estimated_share":0.0,"findings_open":0,"hash":"","last_seq":3,"lifecycle_kg":382.032,"location_based":{"compliance_kg":382.032,"lifecycle_kg":382.032,"scope_2_kg":382.032},"market_based":{"compliance_kg":382.032,"lifecycle_kg":382.032,"scope_2_kg":382.032},"method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":"national"},"months":[{"hash":"a541223e52ccf24a57331193c514a893ce4cf851853be2d39e171fa924e3ec50","period":"2026-10","status":"open","version":1}],"notes":["账户始于 2026-10 / the account begins in 2026-10"],"period":"2026","predecessor":null,"provisional_share":1.0,"quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"reopened":null,"signature":"","status":"open","version":1}','0b15711fc72fd9eed833124f7b8cdd46db9fa3d7f50de11424d92d3aa3e595b0','',NULL,1791392400000);
INSERT INTO "statements" VALUES('91350505M00000019R','2026-Q4',1,'open','{"by_scope":{"1":0.0,"2":3847.062,"3":29826.0},"by_source":[{"activity":"electricity.purchased","amount":7250.4,"basis":"older_edition","emission_kg":3847.062,"energy_kgce":891.075,"factor":"grid.national.2023","quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"scope":2,"source":"grid","stage":"production","unit":"kWh"},{"activity":"material.steel_semi_finished","amount":9.0,"basis":"default","emission_kg":29826.0,"energy_kgce":0.0,"factor":"material.steel_semi_finished.cbam2026","quality":{"activity_score":3.0,"factor_score":4.0,"uncertainty_percent":30.41},"scope":3,"source":"billets","stage":"raw_material","unit":"t"}],"by_stage":{"distribution":0.0,"end_of_life":0.0,"production":3847.062,"raw_material":29826.0,"use":0.0},"compliance_kg":3847.062,"corrections":[],"coverage":0.21428571428571427,"days":7,"energy_kgce":891.075,"enterprise":"91350505M00000019R","estimated_share":0.0,"findings_open":0,"hash":"","last_seq":7,"lifecycle_kg":33673.062,"location_based":{"compliance_kg":3847.062,"lifecycle_kg":33673.062,"scope_2_kg":3847.062},"market_based":{"compliance_kg":3847.062,"lifecycle_kg":33673.062,"scope_2_kg":3847.062},"method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":"national"},"months":[{"hash":"1fcc585a5c7c37690e3e86b95d9bb2aba9153ce5aab79df31c649dbb7223a2dc","period":"2026-10","status":"open","version":1}],"notes":["burner: 无分录 / no entries"],"period":"2026-Q4","predecessor":null,"provisional_share":0.11424746582297743,"quality":{"activity_score":2.77,"factor_score":3.89,"uncertainty_percent":26.96},"reopened":null,"signature":"","status":"open","version":1}','692f046ee73d2da4ab5775845fcea15c3770124e90fb1445da0c04cbacca9197','',NULL,1791396000000);
INSERT INTO "statements" VALUES('91350583M00000035E','2026-Q4',1,'open','{"by_scope":{"1":0.0,"2":382.032,"3":0.0},"by_source":[{"activity":"electricity.purchased","amount":720.0,"basis":"older_edition","emission_kg":382.032,"energy_kgce":88.488,"factor":"grid.national.2023","quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"scope":2,"source":"grid","stage":"production","unit":"kWh"}],"by_stage":{"distribution":0.0,"end_of_life":0.0,"production":382.032,"raw_material":0.0,"use":0.0},"compliance_kg":382.032,"corrections":[],"coverage":0.42857142857142855,"days":7,"energy_kgce":88.488,"enterprise":"91350583M00000035E","estimated_share":0.0,"findings_open":0,"hash":"","last_seq":3,"lifecycle_kg":382.032,"location_based":{"compliance_kg":382.032,"lifecycle_kg":382.032,"scope_2_kg":382.032},"market_based":{"compliance_kg":382.032,"lifecycle_kg":382.032,"scope_2_kg":382.032},"method":{"booked":"market","compliance":["direct","purchased_energy","exported_energy","fixed_carbon"],"electricity":"national","fuel_set":"gbt32151-34-2024","gwp":"ar5","id":"","lifecycle":["direct","purchased_energy","exported_energy","fixed_carbon","other_indirect"],"market":"national"},"months":[{"hash":"a541223e52ccf24a57331193c514a893ce4cf851853be2d39e171fa924e3ec50","period":"2026-10","status":"open","version":1}],"notes":[],"period":"2026-Q4","predecessor":null,"provisional_share":1.0,"quality":{"activity_score":1.0,"factor_score":3.0,"uncertainty_percent":10.2},"reopened":null,"signature":"","status":"open","version":1}','26a0f9aec8a952db90f0c614ceb9264b5bff80b3181c3480015988759d5d0a82','',NULL,1791392400000);
CREATE TABLE tokens (
	id VARCHAR(16) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	subject VARCHAR(160) NOT NULL, 
	secret_hash VARCHAR(64) NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	revoked_at_ms BIGINT, 
	broker_hash VARCHAR(256) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_tokens PRIMARY KEY (id)
);
CREATE TABLE webhooks (
	id VARCHAR(16) NOT NULL, 
	platform VARCHAR(64) NOT NULL, 
	url TEXT NOT NULL, 
	secret VARCHAR(64) NOT NULL, 
	created_at_ms BIGINT NOT NULL, 
	after_seq BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	failing_since_ms BIGINT, 
	next_at_ms BIGINT NOT NULL, 
	parked_at_ms BIGINT, 
	last_error TEXT NOT NULL, 
	CONSTRAINT pk_webhooks PRIMARY KEY (id)
);
CREATE INDEX ix_set_aside_enterprise_received_at_ms ON set_aside (enterprise, received_at_ms);
CREATE INDEX ix_set_aside_reason ON set_aside (reason);
CREATE INDEX ix_dirty_hours_touched ON dirty_hours (touched);
CREATE INDEX ix_activity_records_enterprise_subject_start_day ON activity_records (enterprise, subject, start_day);
CREATE INDEX ix_dirty_days_day ON dirty_days (day);
CREATE INDEX ix_ledger_entries_enterprise_source_day ON ledger_entries (enterprise, source, day);
CREATE INDEX ix_ledger_entries_enterprise_day ON ledger_entries (enterprise, day);
CREATE INDEX ix_statements_period_enterprise ON statements (period, enterprise);
CREATE TRIGGER ledger_entries_no_update BEFORE UPDATE ON ledger_entries BEGIN SELECT RAISE(ABORT, 'ledger_entries only grows'); END;
CREATE TRIGGER ledger_entries_no_delete BEFORE DELETE ON ledger_entries BEGIN SELECT RAISE(ABORT, 'ledger_entries only grows'); END;
CREATE TRIGGER ledger_entries_no_replace BEFORE INSERT ON ledger_entries WHEN EXISTS (SELECT 1 FROM ledger_entries WHERE enterprise = NEW.enterprise AND seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'ledger_entries only grows'); END;
CREATE TRIGGER changes_no_update BEFORE UPDATE ON changes BEGIN SELECT RAISE(ABORT, 'changes only grows'); END;
CREATE TRIGGER changes_no_delete BEFORE DELETE ON changes BEGIN SELECT RAISE(ABORT, 'changes only grows'); END;
CREATE TRIGGER changes_no_replace BEFORE INSERT ON changes WHEN EXISTS (SELECT 1 FROM changes WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'changes only grows'); END;
CREATE INDEX ix_ledger_spans_day ON ledger_spans (day);
CREATE TRIGGER ledger_roots_no_update BEFORE UPDATE ON ledger_roots BEGIN SELECT RAISE(ABORT, 'ledger_roots only grows'); END;
CREATE TRIGGER ledger_roots_no_delete BEFORE DELETE ON ledger_roots BEGIN SELECT RAISE(ABORT, 'ledger_roots only grows'); END;
CREATE TRIGGER ledger_roots_no_replace BEFORE INSERT ON ledger_roots WHEN EXISTS (SELECT 1 FROM ledger_roots WHERE day = NEW.day) BEGIN SELECT RAISE(ABORT, 'ledger_roots only grows'); END;
CREATE TRIGGER ledger_spans_no_update BEFORE UPDATE ON ledger_spans BEGIN SELECT RAISE(ABORT, 'ledger_spans only grows'); END;
CREATE TRIGGER ledger_spans_no_delete BEFORE DELETE ON ledger_spans BEGIN SELECT RAISE(ABORT, 'ledger_spans only grows'); END;
CREATE TRIGGER ledger_spans_no_replace BEFORE INSERT ON ledger_spans WHEN EXISTS (SELECT 1 FROM ledger_spans WHERE enterprise = NEW.enterprise AND last_seq = NEW.last_seq) BEGIN SELECT RAISE(ABORT, 'ledger_spans only grows'); END;
CREATE INDEX ix_activity_records_enterprise_supersedes ON activity_records (enterprise, supersedes);
CREATE TRIGGER finding_decisions_no_update BEFORE UPDATE ON finding_decisions BEGIN SELECT RAISE(ABORT, 'finding_decisions only grows'); END;
CREATE TRIGGER finding_decisions_no_delete BEFORE DELETE ON finding_decisions BEGIN SELECT RAISE(ABORT, 'finding_decisions only grows'); END;
CREATE TRIGGER finding_decisions_no_replace BEFORE INSERT ON finding_decisions WHEN EXISTS (SELECT 1 FROM finding_decisions WHERE finding_id = NEW.finding_id AND number = NEW.number) BEGIN SELECT RAISE(ABORT, 'finding_decisions only grows'); END;
CREATE TRIGGER footprints_no_update BEFORE UPDATE ON footprints BEGIN SELECT RAISE(ABORT, 'footprints only grows'); END;
CREATE TRIGGER footprints_no_delete BEFORE DELETE ON footprints BEGIN SELECT RAISE(ABORT, 'footprints only grows'); END;
CREATE TRIGGER footprints_no_replace BEFORE INSERT ON footprints WHEN EXISTS (SELECT 1 FROM footprints WHERE enterprise = NEW.enterprise AND product = NEW.product AND period = NEW.period AND boundary = NEW.boundary AND version = NEW.version) BEGIN SELECT RAISE(ABORT, 'footprints only grows'); END;
CREATE TRIGGER reopenings_no_update BEFORE UPDATE ON reopenings BEGIN SELECT RAISE(ABORT, 'reopenings only grows'); END;
CREATE TRIGGER reopenings_no_delete BEFORE DELETE ON reopenings BEGIN SELECT RAISE(ABORT, 'reopenings only grows'); END;
CREATE TRIGGER reopenings_no_replace BEFORE INSERT ON reopenings WHEN EXISTS (SELECT 1 FROM reopenings WHERE enterprise = NEW.enterprise AND period = NEW.period AND version = NEW.version) BEGIN SELECT RAISE(ABORT, 'reopenings only grows'); END;
CREATE INDEX ix_adjustments_enterprise_day ON adjustments (enterprise, day);
CREATE TRIGGER adjustments_no_update BEFORE UPDATE ON adjustments BEGIN SELECT RAISE(ABORT, 'adjustments only grows'); END;
CREATE TRIGGER adjustments_no_delete BEFORE DELETE ON adjustments BEGIN SELECT RAISE(ABORT, 'adjustments only grows'); END;
CREATE TRIGGER adjustments_no_replace BEFORE INSERT ON adjustments WHEN EXISTS (SELECT 1 FROM adjustments WHERE enterprise = NEW.enterprise AND number = NEW.number) BEGIN SELECT RAISE(ABORT, 'adjustments only grows'); END;
CREATE TRIGGER adjustment_decisions_no_update BEFORE UPDATE ON adjustment_decisions BEGIN SELECT RAISE(ABORT, 'adjustment_decisions only grows'); END;
CREATE TRIGGER adjustment_decisions_no_delete BEFORE DELETE ON adjustment_decisions BEGIN SELECT RAISE(ABORT, 'adjustment_decisions only grows'); END;
CREATE TRIGGER adjustment_decisions_no_replace BEFORE INSERT ON adjustment_decisions WHEN EXISTS (SELECT 1 FROM adjustment_decisions WHERE enterprise = NEW.enterprise AND number = NEW.number AND decision = NEW.decision) BEGIN SELECT RAISE(ABORT, 'adjustment_decisions only grows'); END;
CREATE INDEX ix_day_proofs_enterprise_number ON day_proofs (enterprise, number);
CREATE TRIGGER raw_drops_no_update BEFORE UPDATE ON raw_drops BEGIN SELECT RAISE(ABORT, 'raw_drops only grows'); END;
CREATE TRIGGER raw_drops_no_delete BEFORE DELETE ON raw_drops BEGIN SELECT RAISE(ABORT, 'raw_drops only grows'); END;
CREATE TRIGGER raw_drops_no_replace BEFORE INSERT ON raw_drops WHEN EXISTS (SELECT 1 FROM raw_drops WHERE enterprise = NEW.enterprise AND number = NEW.number) BEGIN SELECT RAISE(ABORT, 'raw_drops only grows'); END;
CREATE TRIGGER day_proofs_no_update BEFORE UPDATE ON day_proofs BEGIN SELECT RAISE(ABORT, 'day_proofs only grows'); END;
CREATE TRIGGER day_proofs_no_delete BEFORE DELETE ON day_proofs BEGIN SELECT RAISE(ABORT, 'day_proofs only grows'); END;
CREATE TRIGGER day_proofs_no_replace BEFORE INSERT ON day_proofs WHEN EXISTS (SELECT 1 FROM day_proofs WHERE point_id = NEW.point_id AND start_ms = NEW.start_ms) BEGIN SELECT RAISE(ABORT, 'day_proofs only grows'); END;
COMMIT;
