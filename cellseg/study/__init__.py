"""What annotation errors cost: networks x perturbation x level x run as a table that grows run by run, and its report.

`cellseg.study.sweep.run_study` does it all; `plan` says what is run, `row` makes one row, `table` keeps them, `statistics`,
`grids`, `figure` and `page` show them. After Vădineanu et al. (An analysis of the impact of annotation errors on the accuracy
of deep learning for cell segmentation, MIDL 2022), with the correction of Holm and the intervals added.
"""
