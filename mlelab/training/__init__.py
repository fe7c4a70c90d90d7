"""What chapter 5 runs outside its notebook: a distributed training script, its launcher, and measurements on a GPU."""
