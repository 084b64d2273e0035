// SPDX-License-Identifier: GPL-2.0
/*
 * The workload: how much CPU threads and GPU get done.
 *
 * Copyright (C) 2026 movgem maintainers
 */
#include "workload.h"

void take_sample(struct sample *s)
{
	s->time = now();
	s->writes = content_writes();
	s->has_gpu = gpu_is_running();
	s->jobs = s->has_gpu ? gpu_completed() : 0;
}

/* A member of a JSON object, with the comma behind it. */
void print_rates(FILE *json, const char *name, const struct sample *a,
		 const struct sample *b)
{
	double seconds = b->time - a->time;

	fprintf(json, "  \"%s\": {\"seconds\": %.3f, \"cpu_writes\": %lu, ", name,
		seconds, b->writes - a->writes);
	if (b->has_gpu)
		fprintf(json, "\"gpu_jobs\": %lu", b->jobs - a->jobs);
	else
		fprintf(json, "\"gpu_jobs\": null");
	fprintf(json, "},\n");
	if (b->has_gpu)
		say("%s: %.0f GPU jobs/s, %.0f CPU writes/s", name,
		    (b->jobs - a->jobs) / seconds,
		    (b->writes - a->writes) / seconds);
	else
		say("%s: %.0f CPU writes/s", name,
		    (b->writes - a->writes) / seconds);
}
