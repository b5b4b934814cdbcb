BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO "studies" VALUES(1,'finished');
INSERT INTO "studies" VALUES(2,'under-way');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MAXIMIZE',2,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'dashboard:note_ver','3');
INSERT INTO "study_system_attributes" VALUES(2,1,'dashboard:note_str:0','"## `finished`\n\nSearches `mlp` on `digits`: 3\u00a0trials of up to 2\u00a0epochs, sampler `random`, pruner `none`. Stage: done.\n\nBest of the search when this stage began: trial 1, **18.75\u00a0%** validation accuracy after epoch 2. `hidden_layers` `1`, `units` `10`, `activation` `relu`, `batch_normalization` `false`, `dropout` `0.6`, `batch_size` `256`, `optimizer` `adam`, `learning_rate` `0.006144`, `loss` `sparse_categorical_crossentropy`\n\n- Rank 1, trial 1: 1.39\u00a0% validation accuracy over confirmations, **13.65\u00a0%** test accuracy\n\n- Ensemble of 1\u00a0model: **13.65\u00a0%** test accuracy\n\nReport: [/report/finished](/report/finished) beside this dashboard, or `tuner report finished`. Workers: [/fleet](/fleet).\n"');
INSERT INTO "study_system_attributes" VALUES(3,1,'tuner:shown','"{\"stage\": \"c083d18257b42bd369cdb7ccd69e32c5971762dee902809fa556f298ab9b3f91\", \"note_sha256\": \"ac83b11aee3791e213cceb4c5bc0c43b6458c02fad26084ec90ab105ec8db8e5\"}"');
INSERT INTO "study_system_attributes" VALUES(4,1,'dashboard:artifacts:2:00000001-6ff40657-6e49-5d20-88d3-04d28ca7881e','"{\"artifact_id\": \"00000001-6ff40657-6e49-5d20-88d3-04d28ca7881e\", \"filename\": \"confusion.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "study_system_attributes" VALUES(5,1,'dashboard:artifacts:2:00000001-fe667c86-494d-5f7d-8f5c-f843c12a6f16','"{\"artifact_id\": \"00000001-fe667c86-494d-5f7d-8f5c-f843c12a6f16\", \"filename\": \"worst-errors.png\", \"mimetype\": \"image/png\", \"encoding\": null}"');
INSERT INTO "study_system_attributes" VALUES(6,1,'dashboard:artifacts:2:00000001-d5a46b06-56a2-5805-969d-419248508727','"{\"artifact_id\": \"00000001-d5a46b06-56a2-5805-969d-419248508727\", \"filename\": \"confusion.csv\", \"mimetype\": \"text/csv\", \"encoding\": null}"');
INSERT INTO "study_system_attributes" VALUES(7,1,'dashboard:artifacts:2:00000001-986961cc-edb9-5e1c-9f57-b8808849bc6b','"{\"artifact_id\": \"00000001-986961cc-edb9-5e1c-9f57-b8808849bc6b\", \"filename\": \"classes.json\", \"mimetype\": \"application/json\", \"encoding\": null}"');
INSERT INTO "study_system_attributes" VALUES(8,1,'dashboard:plot_data:finals:0','"{\"data\":[{\"customdata\":[\"seed 1117225019: 13.65\\u00a0%\"],\"hovertemplate\":\"%{x}\\u003cbr\\u003e%{customdata} test\\u003cextra\\u003e\\u003c\\u002fextra\\u003e\",\"marker\":{\"color\":\"#c65100\",\"size\":10},\"mode\":\"markers\",\"name\":\"one retrained model\",\"x\":[\"rank 1 (trial 1)\"],\"y\":[0.06373],\"type\":\"scatter\"},{\"hovertemplate\":\"ensemble: 13.65\\u00a0% test\\u003cextra\\u003e\\u003c\\u002fextra\\u003e\",\"line\":{\"color\":\"#00805c\",\"dash\":\"dash\"},\"marker\":{\"color\":\"#00805c\",\"size\":9,\"symbol\":\"diamond\"},\"mode\":\"lines+markers\",\"name\":\"ensemble, 13.65\\u00a0%\",\"x\":[\"rank 1 (trial 1)\"],\"y\":[0.06373],\"type\":\"scatter\"}],\"layout\":{\"margin\":{\"b\":8,\"l\":8,\"r\":12,\"t\":80},\"template\":{\"layout\":{\"bargap\":0.35,\"font\":{\"color\":\"#5b6470\",\"family\":\"system-ui, sans-serif\",\"size\":13},\"hoverlabel\":{\"bgcolor\":\"#f4f5f3\",\"bordercolor\":\"#e2e6ea\",\"font\":{\"color\":\"#1c2024\"}},\"hovermode\":\"closest\",\"legend\":{\"bgcolor\":\"rgba(0,0,0,0)\",\"orientation\":\"h\",\"x\":0,\"y\":1,\"yanchor\":\"bottom\"},\"margin\":{\"b\":8,\"l\":8,\"r\":12,\"t\":30},\"paper_bgcolor\":\"rgba(0,0,0,0)\",\"plot_bgcolor\":\"rgba(0,0,0,0)\",\"xaxis\":{\"automargin\":true,\"gridcolor\":\"#e2e6ea\",\"linecolor\":\"#e2e6ea\",\"showgrid\":false,\"ticks\":\"\",\"title\":{\"standoff\":8},\"zeroline\":false,\"zerolinecolor\":\"#e2e6ea\"},\"yaxis\":{\"automargin\":true,\"gridcolor\":\"#e2e6ea\",\"linecolor\":\"#e2e6ea\",\"ticks\":\"\",\"title\":{\"standoff\":8},\"zerolinecolor\":\"#e2e6ea\"}}},\"title\":{\"text\":\"Finals: test accuracy\"},\"xaxis\":{\"type\":\"category\"},\"yaxis\":{\"range\":[0.04372999999999999,0.08373],\"ticktext\":[\"10\\u00a0%\",\"12\\u00a0%\",\"14\\u00a0%\",\"16\\u00a0%\"],\"tickvals\":[0.04576,0.05552,0.0655,0.07572],\"title\":{\"text\":\"test accuracy\"},\"zeroline\":false}}}"');
INSERT INTO "study_system_attributes" VALUES(9,2,'dashboard:note_ver','1');
INSERT INTO "study_system_attributes" VALUES(10,2,'dashboard:note_str:0','"## `under-way`\n\nSearches `mlp` on `digits`: 5\u00a0trials of up to 4\u00a0epochs, sampler `random`, pruner `none`. Stage: searching.\n\nBest of the search when this stage began: trial 0, **20.14\u00a0%** validation accuracy after epoch 4. `hidden_layers` `1`, `units` `10`, `activation` `elu`, `batch_normalization` `false`, `dropout` `0`, `batch_size` `256`, `optimizer` `adam`, `learning_rate` `0.004247`, `loss` `sparse_categorical_crossentropy`\n\nReport: [/report/under-way](/report/under-way) beside this dashboard, or `tuner report under-way`. Workers: [/fleet](/fleet).\n"');
INSERT INTO "study_system_attributes" VALUES(11,2,'tuner:shown','"{\"stage\": \"ba126751937c6ebaed9f554c54cf9aaa350b6a773ba1ec17747c25dc6abab837\", \"note_sha256\": \"06aa9f91ec6633a6e76897817741354e65f178f8ffec86f07b9ca59a8cd5a309\"}"');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,1,1,0.125,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,1,2,1.18055552244186401367e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,2,1,1.80555552244186401367e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,2,2,0.1875,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,3,1,0.0902777761220932,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,3,2,0.0902777761220932,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,4,1,0.0763888880610466,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,4,2,0.0694444477558136,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,4,3,1.31944447755813598632e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,4,4,2.01388895511627197265e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,5,1,1.66666671633720397949e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,5,2,1.73611104488372802734e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,5,3,1.73611104488372802734e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,5,4,1.73611104488372802734e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,6,1,0.0902777761220932,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,6,2,0.0902777761220932,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "leaky_relu", "elu", "gelu"]}}');
INSERT INTO "trial_params" VALUES(2,1,'dropout',0.2,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.6, "log": false}}');
INSERT INTO "trial_params" VALUES(3,1,'learning_rate [optimizer=adam|adamw|nadam|rmsprop]',0.001,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(4,1,'loss',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"]}}');
INSERT INTO "trial_params" VALUES(5,1,'label_smoothing [loss=categorical_crossentropy]',0.0,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.2, "log": false}}');
INSERT INTO "trial_params" VALUES(6,2,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "leaky_relu", "elu", "gelu"]}}');
INSERT INTO "trial_params" VALUES(7,2,'dropout',0.6,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.6, "log": false}}');
INSERT INTO "trial_params" VALUES(8,2,'learning_rate [optimizer=adam|adamw|nadam|rmsprop]',6.1443555823523336723e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(9,2,'loss',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"]}}');
INSERT INTO "trial_params" VALUES(10,3,'activation',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "leaky_relu", "elu", "gelu"]}}');
INSERT INTO "trial_params" VALUES(11,3,'dropout',3.00000000000000044408e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.6, "log": false}}');
INSERT INTO "trial_params" VALUES(12,3,'learning_rate [optimizer=adam|adamw|nadam|rmsprop]',1.30330429012348901008e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(13,3,'loss',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"]}}');
INSERT INTO "trial_params" VALUES(14,4,'activation',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "leaky_relu", "elu", "gelu"]}}');
INSERT INTO "trial_params" VALUES(15,4,'dropout',0.0,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.6, "log": false}}');
INSERT INTO "trial_params" VALUES(16,4,'learning_rate [optimizer=adam|adamw|nadam|rmsprop]',4.24742675205535321486e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(17,4,'loss',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"]}}');
INSERT INTO "trial_params" VALUES(18,5,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "leaky_relu", "elu", "gelu"]}}');
INSERT INTO "trial_params" VALUES(19,5,'dropout',0.2,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.6, "log": false}}');
INSERT INTO "trial_params" VALUES(20,5,'learning_rate [optimizer=adam|adamw|nadam|rmsprop]',0.001,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(21,5,'loss',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"]}}');
INSERT INTO "trial_params" VALUES(22,5,'label_smoothing [loss=categorical_crossentropy]',0.0,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 0.2, "log": false}}');
INSERT INTO "trial_params" VALUES(23,6,'activation',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "leaky_relu", "elu", "gelu"]}}');
INSERT INTO "trial_params" VALUES(24,6,'dropout',3.00000000000000044408e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.1, "low": 0.0, "high": 0.6, "log": false}}');
INSERT INTO "trial_params" VALUES(25,6,'learning_rate [optimizer=adam|adamw|nadam|rmsprop]',1.30330429012348901008e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}}');
INSERT INTO "trial_params" VALUES(26,6,'loss',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"]}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,1,'fixed_params','{"activation": "relu", "negative_slope [activation=leaky_relu]": 0.1, "dropout": 0.2, "learning_rate [optimizer=adam|adamw|nadam|rmsprop]": 0.001, "loss": "categorical_crossentropy", "label_smoothing [loss=categorical_crossentropy]": 0.0}');
INSERT INTO "trial_system_attributes" VALUES(2,5,'fixed_params','{"activation": "relu", "negative_slope [activation=leaky_relu]": 0.1, "dropout": 0.2, "learning_rate [optimizer=adam|adamw|nadam|rmsprop]": 0.001, "loss": "categorical_crossentropy", "label_smoothing [loss=categorical_crossentropy]": 0.0}');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'slot','0');
INSERT INTO "trial_user_attributes" VALUES(2,2,'slot','1');
INSERT INTO "trial_user_attributes" VALUES(3,3,'slot','2');
INSERT INTO "trial_user_attributes" VALUES(4,4,'slot','1');
INSERT INTO "trial_user_attributes" VALUES(5,5,'slot','0');
INSERT INTO "trial_user_attributes" VALUES(6,6,'slot','2');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,1,0,0.125,'FINITE');
INSERT INTO "trial_values" VALUES(2,2,0,0.1875,'FINITE');
INSERT INTO "trial_values" VALUES(3,3,0,0.0902777761220932,'FINITE');
INSERT INTO "trial_values" VALUES(4,4,0,2.01388895511627197265e-01,'FINITE');
INSERT INTO "trial_values" VALUES(5,5,0,1.73611104488372802734e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,1,'COMPLETE','2026-11-27 14:41:11.675433','2026-11-27 14:41:13.207611');
INSERT INTO "trials" VALUES(2,1,1,'COMPLETE','2026-11-27 14:41:13.449965','2026-11-27 14:41:14.215440');
INSERT INTO "trials" VALUES(3,2,1,'COMPLETE','2026-11-27 14:41:14.283192','2026-11-27 14:41:15.029818');
INSERT INTO "trials" VALUES(4,0,2,'COMPLETE','2026-11-27 14:41:22.846693','2026-11-27 14:41:24.021333');
INSERT INTO "trials" VALUES(5,1,2,'COMPLETE','2026-11-27 14:41:24.417918','2026-11-27 14:41:25.563951');
INSERT INTO "trials" VALUES(6,2,2,'RUNNING','2026-11-27 14:41:31.575498',NULL);
CREATE TABLE tuner_alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT tuner_alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "tuner_alembic_version" VALUES('0001');
CREATE TABLE tuner_slots (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	stage TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	job JSON NOT NULL, 
	owner TEXT, 
	token INTEGER NOT NULL, 
	expires_at FLOAT, 
	attempts INTEGER NOT NULL, 
	workers JSON NOT NULL, 
	trial_id INTEGER, 
	trial_number INTEGER, 
	epoch INTEGER NOT NULL, 
	outcome JSON, 
	started_at FLOAT, 
	finished_at FLOAT, 
	PRIMARY KEY (id), 
	UNIQUE (study_id, stage, position), 
	FOREIGN KEY(study_id) REFERENCES tuner_studies (id) ON DELETE CASCADE
);
INSERT INTO "tuner_slots" VALUES(1,1,'search',0,'done','{"values": {"activation": "relu", "negative_slope [activation=leaky_relu]": 0.1, "dropout": 0.2, "learning_rate [optimizer=adam|adamw|nadam|rmsprop]": 0.001, "loss": "categorical_crossentropy", "label_smoothing [loss=categorical_crossentropy]": 0.0}}','8a92b5ea70794cad932bafe6a46d01e1',1,NULL,1,'["8a92b5ea70794cad932bafe6a46d01e1"]',1,0,2,'{"state": "complete", "score": 0.125, "best_epoch": 1, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "relu", "batch_normalization": false, "dropout": 0.2, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.001, "loss": "categorical_crossentropy", "label_smoothing": 0.0}, "curve": [{"epoch": 1, "loss": 2.3489339351654053, "accuracy": 0.15333333611488342, "val_loss": 2.3539838790893555, "val_accuracy": 0.125, "learning_rate": 0.0010000000474974513, "duration_s": 1.3511507270000038}, {"epoch": 2, "loss": 2.3360886573791504, "accuracy": 0.15333333611488342, "val_loss": 2.3451180458068848, "val_accuracy": 0.1180555522441864, "learning_rate": 0.0010000000474974513, "duration_s": 0.016048923999960607}]}',1.79579047161501193048e+09,1.795790473202008009e+09);
INSERT INTO "tuner_slots" VALUES(2,1,'search',1,'done','{}','8a92b5ea70794cad932bafe6a46d01e1',1,NULL,1,'["8a92b5ea70794cad932bafe6a46d01e1"]',2,1,2,'{"state": "complete", "score": 0.1875, "best_epoch": 2, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "relu", "batch_normalization": false, "dropout": 0.6, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.006144355582352334, "loss": "sparse_categorical_crossentropy"}, "curve": [{"epoch": 1, "loss": 2.3464620113372803, "accuracy": 0.10333333164453506, "val_loss": 2.2681567668914795, "val_accuracy": 0.1805555522441864, "learning_rate": 0.006144355516880751, "duration_s": 0.5997681019999845}, {"epoch": 2, "loss": 2.285736560821533, "accuracy": 0.13333334028720856, "val_loss": 2.2487406730651855, "val_accuracy": 0.1875, "learning_rate": 0.006144355516880751, "duration_s": 0.011042809999935344}]}',1.79579047344698762892e+09,1.79579047421298623084e+09);
INSERT INTO "tuner_slots" VALUES(3,1,'search',2,'done','{}','8a92b5ea70794cad932bafe6a46d01e1',1,NULL,1,'["8a92b5ea70794cad932bafe6a46d01e1"]',3,2,2,'{"state": "complete", "score": 0.0902777761220932, "best_epoch": 1, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "elu", "batch_normalization": false, "dropout": 0.30000000000000004, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.0001303304290123489, "loss": "sparse_categorical_crossentropy"}, "curve": [{"epoch": 1, "loss": 2.4781572818756104, "accuracy": 0.11666666716337204, "val_loss": 2.438530921936035, "val_accuracy": 0.0902777761220932, "learning_rate": 0.0001303304306929931, "duration_s": 0.5945553609999479}, {"epoch": 2, "loss": 2.468688488006592, "accuracy": 0.09333333373069763, "val_loss": 2.4356749057769775, "val_accuracy": 0.0902777761220932, "learning_rate": 0.0001303304306929931, "duration_s": 0.007253248999973039}]}',1.79579047428001451489e+09,1.79579047502698302268e+09);
INSERT INTO "tuner_slots" VALUES(4,2,'search',0,'done','{"values": {"activation": "relu", "negative_slope [activation=leaky_relu]": 0.1, "dropout": 0.2, "learning_rate [optimizer=adam|adamw|nadam|rmsprop]": 0.001, "loss": "categorical_crossentropy", "label_smoothing [loss=categorical_crossentropy]": 0.0}}','b2ae23be074441cbae792c42b41dc0d2',2,NULL,1,'["slow", "b2ae23be074441cbae792c42b41dc0d2"]',5,1,4,'{"state": "complete", "score": 0.1736111044883728, "best_epoch": 2, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "relu", "batch_normalization": false, "dropout": 0.2, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.001, "loss": "categorical_crossentropy", "label_smoothing": 0.0}, "curve": [{"epoch": 1, "loss": 2.3227670192718506, "accuracy": 0.15333333611488342, "val_loss": 2.3057870864868164, "val_accuracy": 0.1666666716337204, "learning_rate": 0.0010000000474974513, "duration_s": 0.9279569990000027}, {"epoch": 2, "loss": 2.320542335510254, "accuracy": 0.1433333307504654, "val_loss": 2.2960197925567627, "val_accuracy": 0.1736111044883728, "learning_rate": 0.0010000000474974513, "duration_s": 0.011872353000057956}, {"epoch": 3, "loss": 2.3031415939331055, "accuracy": 0.1433333307504654, "val_loss": 2.2868919372558594, "val_accuracy": 0.1736111044883728, "learning_rate": 0.0010000000474974513, "duration_s": 0.008129772999950546}, {"epoch": 4, "loss": 2.2913107872009277, "accuracy": 0.1666666716337204, "val_loss": 2.278726816177368, "val_accuracy": 0.1736111044883728, "learning_rate": 0.0010000000474974513, "duration_s": 0.007679375000066102}]}',1.7957904827700109482e+09,1.79579048555800628661e+09);
INSERT INTO "tuner_slots" VALUES(5,2,'search',1,'done','{}','9d81ea77c8974370b2c19e7ffec6ed4c',1,NULL,1,'["9d81ea77c8974370b2c19e7ffec6ed4c"]',4,0,4,'{"state": "complete", "score": 0.2013888955116272, "best_epoch": 4, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "elu", "batch_normalization": false, "dropout": 0.0, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.004247426752055353, "loss": "sparse_categorical_crossentropy"}, "curve": [{"epoch": 1, "loss": 2.552194118499756, "accuracy": 0.09666666388511658, "val_loss": 2.427150011062622, "val_accuracy": 0.0763888880610466, "learning_rate": 0.004247426521033049, "duration_s": 0.9262371439999697}, {"epoch": 2, "loss": 2.4348106384277344, "accuracy": 0.07333333045244217, "val_loss": 2.348414421081543, "val_accuracy": 0.0694444477558136, "learning_rate": 0.004247426521033049, "duration_s": 0.01564941699996325}, {"epoch": 3, "loss": 2.3576390743255615, "accuracy": 0.03333333507180214, "val_loss": 2.2965714931488037, "val_accuracy": 0.1319444477558136, "learning_rate": 0.004247426521033049, "duration_s": 0.01195245300004899}, {"epoch": 4, "loss": 2.306211233139038, "accuracy": 0.10999999940395355, "val_loss": 2.2595901489257812, "val_accuracy": 0.2013888955116272, "learning_rate": 0.004247426521033049, "duration_s": 0.012494994999997289}]}',1.79579048284001636503e+09,1.79579048401498508457e+09);
INSERT INTO "tuner_slots" VALUES(6,2,'search',2,'leased','{}','544a3b6b71e64d11865a10f08c2a6ed2',1,1.79579052270799756048e+09,1,'["544a3b6b71e64d11865a10f08c2a6ed2"]',6,2,2,NULL,1.79579049157201504709e+09,NULL);
INSERT INTO "tuner_slots" VALUES(7,2,'search',3,'waiting','{}',NULL,0,NULL,0,'[]',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "tuner_slots" VALUES(8,2,'search',4,'waiting','{}',NULL,0,NULL,0,'[]',NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "tuner_slots" VALUES(9,1,'confirm',0,'done','{"trial": 1, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "relu", "batch_normalization": false, "dropout": 0.6, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.006144355582352334, "loss": "sparse_categorical_crossentropy"}, "repeat": 0, "seed": 415021730}','8a92b5ea70794cad932bafe6a46d01e1',1,NULL,1,'["8a92b5ea70794cad932bafe6a46d01e1"]',NULL,NULL,2,'{"state": "complete", "score": 0.013888888992369175, "best_epoch": 2, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "relu", "batch_normalization": false, "dropout": 0.6, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.006144355582352334, "loss": "sparse_categorical_crossentropy"}, "curve": [{"epoch": 1, "loss": 2.762347936630249, "accuracy": 0.07000000029802322, "val_loss": 2.414674997329712, "val_accuracy": 0.0069444444961845875, "learning_rate": 0.006144355516880751, "duration_s": 0.5299959350001018}, {"epoch": 2, "loss": 2.480215072631836, "accuracy": 0.09333333373069763, "val_loss": 2.3314874172210693, "val_accuracy": 0.013888888992369175, "learning_rate": 0.006144355516880751, "duration_s": 0.008405146999962199}]}',1.79579047507699275012e+09,1.79579047570499181749e+09);
INSERT INTO "tuner_slots" VALUES(10,1,'retrain',0,'done','{"rank": 1, "trial": 1, "hyperparameters": {"hidden_layers": 1, "units": 10, "activation": "relu", "batch_normalization": false, "dropout": 0.6, "batch_size": 256, "optimizer": "adam", "learning_rate": 0.006144355582352334, "loss": "sparse_categorical_crossentropy"}, "repeat": 0, "seed": 1117225019, "augmented": true, "val_accuracy_mean": 0.013888888992369175}','8a92b5ea70794cad932bafe6a46d01e1',1,NULL,1,'["8a92b5ea70794cad932bafe6a46d01e1"]',NULL,NULL,2,'{"state": "complete", "test_accuracy": 0.13649025069637882, "val_accuracy": null, "curve": [{"epoch": 1, "loss": 2.3858728408813477, "accuracy": 0.10431154072284698, "val_loss": null, "val_accuracy": null, "learning_rate": 0.006144355516880751, "duration_s": 0.36530819100005374}, {"epoch": 2, "loss": 2.280181646347046, "accuracy": 0.1335187703371048, "val_loss": null, "val_accuracy": null, "learning_rate": 0.00041159376269206405, "duration_s": 0.0122733219999418}], "bundle": "finished/finals/trial-1-repeat-1.bundle", "predictions": "finished/finals/trial-1-repeat-1.npz"}',1.79579047577499747272e+09,1.79579047640601396559e+09);
INSERT INTO "tuner_slots" VALUES(11,1,'ensemble',0,'done','{"slots": [10]}','8a92b5ea70794cad932bafe6a46d01e1',1,NULL,1,'["8a92b5ea70794cad932bafe6a46d01e1"]',NULL,NULL,0,'{"state": "complete", "members": 1, "test_accuracy": 0.13649025069637882, "predictions": "finished/finals/ensemble-of-1.npz"}',1.795790476464995861e+09,1.79579047649798679347e+09);
CREATE TABLE tuner_studies (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	optuna_study_id INTEGER NOT NULL, 
	definition JSON NOT NULL, 
	class_names JSON NOT NULL, 
	provenance JSON NOT NULL, 
	state TEXT NOT NULL, 
	resume_state TEXT, 
	stop_reason TEXT, 
	budget INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "tuner_studies" VALUES(1,'finished',1,'{"name": "finished", "space": "mlp", "dataset": "digits", "seed": 1, "data": {"validation_fraction": 0.1, "resize": null}, "search": {"trials": 3, "epochs": 2, "sampler": "random", "pruner": "none", "start_with_defaults": true, "baselines": [], "warm_start": null, "warm_start_trials": 5, "startup_trials": 10, "train_images": 300, "batch_size": 64, "trial_timeout_s": null, "pruning": {"min_resource": 1, "reduction_factor": 3, "startup_trials": 5, "warmup_epochs": 0, "percentile": 25.0, "patience": 3}, "grid": {}}, "fixed": {"hidden_layers": 1, "batch_size": 256, "optimizer": "adam", "batch_normalization": false, "units": 10}, "finals": {"top": 1, "candidates": 1, "confirm_repeats": 1, "confirm_epochs": null, "repeats": 1, "epochs": 2, "train_on": "train+validation", "augmentation": {"rotation": 10.0, "zoom": 0.1, "shift": 0.1, "shear": 0.1, "elastic": 0.0, "elastic_smoothness": 0.15, "brightness": 0.0, "contrast": 0.0, "cutout": 0.0, "mixup": 0.0, "cutmix": 0.0}, "annealing": {"rule": "cosine", "warmup_epochs": 1, "min_lr": 1e-05, "factor": 0.5, "monitor": "val_accuracy", "patience": 3, "min_delta": 0.0001, "cooldown": 0, "every_epochs": 5}, "compare_augmentation": false}}','["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]','{"python": "3.11.7", "code_sha256": "fd0a9175e62630b31d13a12827c7c88c091f76a8dda5eb5c046c77dad98124f1", "tuner": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "keras-tuner": "1.4.8", "numpy": "2.4.6", "data_sha256": "8e0993818bdbc795bc59b0c0e157946b9bb6b3ccc053fbb5c62e32f3d2db086c"}','done',NULL,NULL,3,1.7957904660489990711e+09);
INSERT INTO "tuner_studies" VALUES(2,'under-way',2,'{"name": "under-way", "space": "mlp", "dataset": "digits", "seed": 1, "data": {"validation_fraction": 0.1, "resize": null}, "search": {"trials": 5, "epochs": 4, "sampler": "random", "pruner": "none", "start_with_defaults": true, "baselines": [], "warm_start": null, "warm_start_trials": 5, "startup_trials": 10, "train_images": 300, "batch_size": 64, "trial_timeout_s": null, "pruning": {"min_resource": 1, "reduction_factor": 3, "startup_trials": 5, "warmup_epochs": 0, "percentile": 25.0, "patience": 3}, "grid": {}}, "fixed": {"hidden_layers": 1, "batch_size": 256, "optimizer": "adam", "batch_normalization": false, "units": 10}, "finals": {"top": 0, "candidates": 5, "confirm_repeats": 2, "confirm_epochs": null, "repeats": 3, "epochs": 20, "train_on": "train+validation", "augmentation": {"rotation": 10.0, "zoom": 0.1, "shift": 0.1, "shear": 0.1, "elastic": 0.0, "elastic_smoothness": 0.15, "brightness": 0.0, "contrast": 0.0, "cutout": 0.0, "mixup": 0.0, "cutmix": 0.0}, "annealing": {"rule": "cosine", "warmup_epochs": 1, "min_lr": 1e-05, "factor": 0.5, "monitor": "val_accuracy", "patience": 3, "min_delta": 0.0001, "cooldown": 0, "every_epochs": 5}, "compare_augmentation": true}}','["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]','{"python": "3.11.7", "code_sha256": "fd0a9175e62630b31d13a12827c7c88c091f76a8dda5eb5c046c77dad98124f1", "tuner": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "keras-tuner": "1.4.8", "numpy": "2.4.6", "data_sha256": "8e0993818bdbc795bc59b0c0e157946b9bb6b3ccc053fbb5c62e32f3d2db086c"}','searching',NULL,NULL,5,1.79579046626299905779e+09);
CREATE TABLE tuner_workers (
	id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	device TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	slot_id INTEGER, 
	started_at FLOAT NOT NULL, 
	last_seen_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(slot_id) REFERENCES tuner_slots (id) ON DELETE SET NULL
);
INSERT INTO "tuner_workers" VALUES('8a92b5ea70794cad932bafe6a46d01e1','box','cpu',4711,'ended',NULL,1.79579047160599970822e+09,1.79579047723300600056e+09);
INSERT INTO "tuner_workers" VALUES('9d81ea77c8974370b2c19e7ffec6ed4c','box','cpu',4711,'ended',NULL,1.79579048282899260522e+09,1.79579048431701517106e+09);
INSERT INTO "tuner_workers" VALUES('b2ae23be074441cbae792c42b41dc0d2','box','cpu',4711,'ended',NULL,1.7957904843730196953e+09,1.79579048561501646041e+09);
INSERT INTO "tuner_workers" VALUES('544a3b6b71e64d11865a10f08c2a6ed2','box','cpu',4711,'training',6,1.79579049156199693684e+09,1.79579049158798742299e+09);
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE INDEX ix_tuner_slots_claim ON tuner_slots (state, study_id, id);
CREATE INDEX ix_tuner_slots_expiry ON tuner_slots (state, expires_at);
COMMIT;
