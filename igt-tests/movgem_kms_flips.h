/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The subtests of movgem_kms that are about page flips.
 */
#ifndef MOVGEM_KMS_FLIPS_H
#define MOVGEM_KMS_FLIPS_H

void kms_flip_subtests(int fd);

#endif /* MOVGEM_KMS_FLIPS_H */
