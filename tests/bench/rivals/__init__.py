"""The declared journey in other hands: engines that are written as their own users would, with their own luck."""
