"""Workers on a Ray cluster. Only these modules import Ray.

pool         `tuner workers --ray`: places one actor for each worker and waits for them
connection   joins the cluster
nodes        what its nodes have, and whether they see what workers need
head         whether the head node is still there
actor        what runs on a node: keeps one worker running
"""
