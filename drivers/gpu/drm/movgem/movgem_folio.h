/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 movgem maintainers */
#ifndef _MOVGEM_FOLIO_H_
#define _MOVGEM_FOLIO_H_

#include <linux/fs.h>
#include <linux/types.h>

struct folio;
struct movgem_pt_table;

/* What the page store folio does with any folio: movgem_folio.c */
void movgem_folio_mapping_init(struct address_space *mapping,
			       const struct address_space_operations *ops);
int movgem_folio_add(struct address_space *mapping, struct folio *folio,
		     pgoff_t index);
bool movgem_folio_keep(struct folio *folio, gfp_t gfp);
void movgem_folio_invalidate(struct folio *folio, size_t offset, size_t len);
bool movgem_folio_unused(struct folio *folio);
void movgem_folio_replace(struct folio *dst, struct folio *src);
void movgem_folio_drain(struct folio *folio);
int movgem_folio_move(struct folio *src, gfp_t gfp,
		      int (*move)(struct folio *dst, struct folio *src, void *data),
		      void *data);

/* Pages of GPU page tables: movgem_folio_table.c */
int movgem_folio_table_alloc(struct movgem_pt_table *table);
void movgem_folio_table_adopt(struct movgem_pt_table *table);
void movgem_folio_table_release(struct movgem_pt_table *table);
int movgem_folio_table_move(struct movgem_pt_table *table);

#endif
