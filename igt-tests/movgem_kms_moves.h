/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * The subtests of movgem_kms in which something happens to the pages of what is
 * on the screen.
 */
#ifndef MOVGEM_KMS_MOVES_H
#define MOVGEM_KMS_MOVES_H

void kms_move_subtests(int fd);

#endif /* MOVGEM_KMS_MOVES_H */
